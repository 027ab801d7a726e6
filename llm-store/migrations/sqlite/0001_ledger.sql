-- Amounts are whole pieces of the unit (billionths of a dollar, millionths of a credit). The unit is
-- part of every name, so that nothing of one can be added to the other. Instants are microseconds
-- since 1970.

CREATE TABLE owner (
    id INTEGER PRIMARY KEY,
    unit TEXT NOT NULL,
    replica TEXT NOT NULL,
    -- The epoch that lives, and the last one that was buried.
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    buried INTEGER NOT NULL DEFAULT 0,
    heard INTEGER NOT NULL,
    lives INTEGER NOT NULL,
    UNIQUE (unit, replica)
) STRICT;

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    unit TEXT NOT NULL,
    owner TEXT NOT NULL
        CHECK (owner IN ('key', 'user', 'feature', 'team', 'org', 'tenant', 'operator')),
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    -- The window that it counts, as start/end; empty for a balance without one.
    span TEXT NOT NULL,
    -- Null is without limit.
    lim INTEGER,
    -- Both are caches: of the entries, and of the leases.
    paid INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0),
    leased INTEGER NOT NULL DEFAULT 0 CHECK (leased >= 0),
    -- The last entry's number and hash.
    seq INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL CHECK (length(head) = 32),
    UNIQUE (unit, owner, name, rule, span)
) STRICT;

CREATE TABLE lease (
    owner INTEGER NOT NULL REFERENCES owner (id),
    account INTEGER NOT NULL REFERENCES account (id),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (owner, account)
) STRICT, WITHOUT ROWID;

CREATE INDEX lease_account ON lease (account);

CREATE TABLE hold (
    unit TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant INTEGER NOT NULL CHECK (tenant >= 0),
    operator INTEGER NOT NULL CHECK (operator >= 0),
    source TEXT NOT NULL CHECK (source IN ('reported', 'counted', 'estimated')),
    -- How many entries it wrote.
    lines INTEGER NOT NULL CHECK (lines >= 0),
    PRIMARY KEY (unit, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    account INTEGER NOT NULL REFERENCES account (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    -- Null when an owner was buried, and nobody knows for which holds it paid.
    hold BLOB CHECK (length(hold) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('settle', 'loss')),
    amount INTEGER NOT NULL CHECK (amount > 0),
    replica TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entry_stays BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

CREATE TRIGGER entry_remains BEFORE DELETE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
