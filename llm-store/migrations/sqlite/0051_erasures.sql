-- People who were forgotten to the end, by a print of whose they were, and when it was asked for. A
-- copy that was made before has no such line: who is listed elsewhere and not here is forgotten again.

CREATE TABLE erasure (
    at INTEGER NOT NULL,
    print BLOB NOT NULL CHECK (length(print) = 32),
    PRIMARY KEY (at, print)
) STRICT, WITHOUT ROWID;
