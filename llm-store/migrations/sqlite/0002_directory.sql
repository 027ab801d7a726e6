-- Who is who. Lists (actions, models, limits) are lines of a text: people read these tables, and
-- nothing is looked for inside a list. Instants are microseconds since 1970.

-- One row: whoever changes anything here locks it first. The numbers of changes are those of its
-- commits, so that nobody who reads them in order misses one.
CREATE TABLE directory_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT;

INSERT INTO directory_head (id, seq) VALUES (1, 0);

CREATE TABLE plan (
    name TEXT PRIMARY KEY,
    limits TEXT NOT NULL,
    models TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('critical', 'default', 'batch', 'sheddable')),
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tenants, and within them parts, groups and people.
CREATE TABLE party (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('tenant', 'org', 'team', 'user')),
    id TEXT NOT NULL,
    -- Which part and which group it is of, where it is of one.
    org TEXT,
    team TEXT,
    name TEXT,
    metadata TEXT NOT NULL,
    -- A plan of this table or of the configuration.
    plan TEXT,
    limits TEXT NOT NULL,
    parallel INTEGER CHECK (parallel >= 0),
    created INTEGER NOT NULL,
    suspended INTEGER,
    PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX party_plan ON party (plan) WHERE plan IS NOT NULL;

CREATE TABLE virtual_key (
    id TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    pepper INTEGER NOT NULL,
    print BLOB NOT NULL UNIQUE CHECK (length(print) = 32),
    label TEXT NOT NULL,
    tenant TEXT NOT NULL,
    org TEXT,
    team TEXT,
    person TEXT,
    actions TEXT NOT NULL,
    models TEXT NOT NULL,
    limits TEXT NOT NULL,
    expires INTEGER,
    suspended INTEGER,
    revoked INTEGER,
    replaced_by TEXT,
    replaced_until INTEGER,
    created INTEGER NOT NULL,
    -- The issuer's line; null is whoever runs the gateway.
    issuer TEXT,
    -- The same in all rows of a line.
    alias TEXT,
    metadata TEXT NOT NULL,
    plan TEXT,
    parallel INTEGER CHECK (parallel >= 0),
    CHECK ((replaced_by IS NULL) = (replaced_until IS NULL))
) STRICT, WITHOUT ROWID;

-- A line has one head, whoever rotates it at once.
CREATE UNIQUE INDEX virtual_key_head ON virtual_key (line) WHERE replaced_by IS NULL;
CREATE INDEX virtual_key_line ON virtual_key (line);
CREATE INDEX virtual_key_issuer ON virtual_key (issuer) WHERE issuer IS NOT NULL;
CREATE INDEX virtual_key_owner ON virtual_key (tenant, person, id);
CREATE INDEX virtual_key_plan ON virtual_key (plan) WHERE plan IS NOT NULL;

-- Lines whose keys are not what they were. Kept for longer than anybody remembers a key.
CREATE TABLE key_change (
    seq INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX key_change_at ON key_change (at);

CREATE TABLE provider_key (
    vendor TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Which secret of this row; no number comes twice, also when a row is removed in between.
    version INTEGER NOT NULL CHECK (version > 0),
    sealed BLOB NOT NULL,
    -- The name of the sealing key.
    seal_key INTEGER NOT NULL,
    created INTEGER NOT NULL,
    validated INTEGER,
    report TEXT,
    state TEXT NOT NULL CHECK (state IN ('new', 'valid', 'invalid', 'off')),
    PRIMARY KEY (vendor, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE admin (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pepper INTEGER NOT NULL,
    print BLOB NOT NULL CHECK (length(print) = 32),
    created INTEGER NOT NULL
) STRICT;
