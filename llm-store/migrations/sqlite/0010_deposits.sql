-- What callers leave with us: answers that a later question goes on from, files, batches. Instants
-- are microseconds since 1970.

CREATE TABLE deposit (
    -- Whose: nobody else sees it.
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('response', 'file', 'batch')),
    -- Of what is deposited as one: the later, the greater.
    seq INTEGER PRIMARY KEY,
    created INTEGER NOT NULL,
    -- Until when it is kept; null is until somebody deletes it.
    expires INTEGER,
    -- While its pieces come it is not seen; what is gone keeps its name, so that nobody else has it.
    state TEXT NOT NULL CHECK (state IN ('coming', 'there', 'gone')),
    -- What is said of it, as JSON.
    head TEXT NOT NULL,
    -- What it goes on from.
    previous TEXT,
    size INTEGER NOT NULL CHECK (size >= 0),
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX deposit_listed ON deposit (owner, kind, seq);
CREATE INDEX deposit_named ON deposit (id);
CREATE INDEX deposit_expires ON deposit (expires) WHERE expires IS NOT NULL;
CREATE INDEX deposit_coming ON deposit (created) WHERE state = 'coming';

CREATE TABLE deposit_piece (
    deposit INTEGER NOT NULL REFERENCES deposit (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 0),
    sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    body BLOB NOT NULL,
    PRIMARY KEY (deposit, number)
) STRICT;

-- What became of the lines of a batch, until its files are written.
CREATE TABLE batch_line (
    batch BLOB NOT NULL CHECK (length(batch) = 16),
    number INTEGER NOT NULL CHECK (number >= 0),
    -- The process that asked, and the call it made: whether it was paid for is found by these.
    replica TEXT NOT NULL,
    call BLOB NOT NULL CHECK (length(call) = 16),
    state TEXT NOT NULL CHECK (state IN ('sent', 'done', 'failed')),
    sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    body BLOB,
    PRIMARY KEY (batch, number),
    CHECK ((body IS NULL) = (state = 'sent'))
) STRICT, WITHOUT ROWID;

-- How a batch ended, and how many of its lines had come how far by then.
CREATE TABLE batch_end (
    batch BLOB NOT NULL PRIMARY KEY CHECK (length(batch) = 16),
    state TEXT NOT NULL CHECK (state IN ('completed', 'expired', 'cancelled')),
    done INTEGER NOT NULL CHECK (done >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_ended ON batch_end (at);
