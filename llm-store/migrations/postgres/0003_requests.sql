-- The request log: one row a call, numbers and names and no content; and the sums of its days, which
-- stay when the rows go. Instants are microseconds since 1970, money is billionths of a dollar.

-- Who asked for what of whom, and whether a cache answered: what calls have in common is written
-- once, so that a row is short, sums are few, and a person is forgotten by changing a few names.
-- An empty text is none.
CREATE TABLE request_subject (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT NOT NULL,
    feature TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    target TEXT NOT NULL,
    cached BIGINT NOT NULL,
    -- 0 is known by name, 1 is forgotten while its rows are not yet, 2 is forgotten.
    erased BIGINT NOT NULL DEFAULT 0,
    UNIQUE (tenant, key, person, team, feature, operation, model, target, cached)
);

CREATE INDEX request_subject_key ON request_subject (key);
CREATE INDEX request_subject_person ON request_subject (person);

-- How often somebody was forgotten: what a process remembers of subjects is true for one count.
CREATE TABLE request_state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    erasures BIGINT NOT NULL
);

INSERT INTO request_state (id, erasures) VALUES (1, 0);

CREATE TABLE request (
    at BIGINT NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    subject BIGINT NOT NULL,
    -- What was asked for, where it is no model of ours.
    asked TEXT,
    attempts BIGINT NOT NULL,
    stream BIGINT NOT NULL,
    -- done, left, or the kind of the error.
    outcome TEXT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cache_write_1h BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    images BIGINT NOT NULL,
    pieces BIGINT NOT NULL,
    audio_ms BIGINT NOT NULL,
    -- 1: the tokens read are not known, 2: nor those written. How the others are: 0 reported,
    -- 1 counted, 2 estimated.
    unknown BIGINT NOT NULL,
    source BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    loss BIGINT NOT NULL,
    first_byte BIGINT,
    total BIGINT NOT NULL,
    -- Each between two line ends.
    tags TEXT,
    PRIMARY KEY (at, id)
);

-- There is none by subject: rows of one moment would be all over it, and to write it cost more than
-- all the rest. In which days a subject has rows is known by its sums.
CREATE UNIQUE INDEX request_id ON request (id);

-- A day is written as people write it, 20261121, in the operator's time zone: a month is a hundredth
-- of it.
CREATE TABLE usage_day (
    day BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cache_write_1h BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    audio_in BIGINT NOT NULL,
    audio_out BIGINT NOT NULL,
    images BIGINT NOT NULL,
    pieces BIGINT NOT NULL,
    audio_ms BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    loss BIGINT NOT NULL,
    PRIMARY KEY (day, subject)
);

CREATE INDEX usage_day_subject ON usage_day (subject);
