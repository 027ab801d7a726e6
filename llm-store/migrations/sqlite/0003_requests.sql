-- The request log: one row a call, numbers and names and no content; and the sums of its days, which
-- stay when the rows go. Instants are microseconds since 1970, money is billionths of a dollar.

-- Who asked for what of whom, and whether a cache answered: what calls have in common is written
-- once, so that a row is short, sums are few, and a person is forgotten by changing a few names.
-- An empty text is none.
CREATE TABLE request_subject (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT NOT NULL,
    feature TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    target TEXT NOT NULL,
    cached INTEGER NOT NULL,
    -- 0 is known by name, 1 is forgotten while its rows are not yet, 2 is forgotten.
    erased INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, key, person, team, feature, operation, model, target, cached)
) STRICT;

CREATE INDEX request_subject_key ON request_subject (key);
CREATE INDEX request_subject_person ON request_subject (person);

-- How often somebody was forgotten: what a process remembers of subjects is true for one count.
CREATE TABLE request_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    erasures INTEGER NOT NULL
) STRICT;

INSERT INTO request_state (id, erasures) VALUES (1, 0);

CREATE TABLE request (
    at INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    subject INTEGER NOT NULL,
    -- What was asked for, where it is no model of ours.
    asked TEXT,
    attempts INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    -- done, left, or the kind of the error.
    outcome TEXT NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_in INTEGER NOT NULL,
    audio_out INTEGER NOT NULL,
    images INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    audio_ms INTEGER NOT NULL,
    -- 1: the tokens read are not known, 2: nor those written. How the others are: 0 reported,
    -- 1 counted, 2 estimated.
    unknown INTEGER NOT NULL,
    source INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    loss INTEGER NOT NULL,
    first_byte INTEGER,
    total INTEGER NOT NULL,
    -- Each between two line ends.
    tags TEXT,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- There is none by subject: rows of one moment would be all over it, and to write it cost more than
-- all the rest. In which days a subject has rows is known by its sums.
CREATE UNIQUE INDEX request_id ON request (id);

-- A day is written as people write it, 20261121, in the operator's time zone: a month is a hundredth
-- of it.
CREATE TABLE usage_day (
    day INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_in INTEGER NOT NULL,
    audio_out INTEGER NOT NULL,
    images INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    audio_ms INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    loss INTEGER NOT NULL,
    PRIMARY KEY (day, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_day_subject ON usage_day (subject);
