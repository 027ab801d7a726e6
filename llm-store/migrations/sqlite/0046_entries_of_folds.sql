-- An entry is the sum of all holds that were carried to its account in one step, and no longer one
-- hold's: those that are there are sums of one. A CHECK is not changed in place.
CREATE TABLE entry_sum (
    account INTEGER NOT NULL REFERENCES account (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    -- The holds: each one's id and what it paid in eight bytes, one behind the other; of one alone, its
    -- id. Null when an owner was buried, and nobody knows for which holds it paid.
    holds BLOB CHECK (length(holds) = 16 OR length(holds) > 24 AND length(holds) % 24 = 0),
    kind TEXT NOT NULL CHECK (kind IN ('settle', 'loss')),
    amount INTEGER NOT NULL CHECK (amount > 0),
    replica TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO entry_sum (account, seq, holds, kind, amount, replica, epoch, at, hash)
SELECT account, seq, hold, kind, amount, replica, epoch, at, hash FROM entry ORDER BY account, seq;

DROP TABLE entry;
ALTER TABLE entry_sum RENAME TO entry;

CREATE TRIGGER entry_stays BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

CREATE TRIGGER entry_remains BEFORE DELETE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
