-- Jobs, and what a repeated request gets. Instants are microseconds since 1970.

CREATE TABLE job (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    person TEXT,
    virtual_key TEXT,
    kind TEXT NOT NULL,
    -- How soon its work is wanted: 0 is served first.
    class INTEGER NOT NULL CHECK (class BETWEEN 0 AND 3),
    -- What its maker calls it, so that it is made once; and what was asked under that name.
    once TEXT,
    print BLOB NOT NULL CHECK (length(print) = 32),
    created INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    attempts_max INTEGER NOT NULL CHECK (attempts_max > 0),
    -- When it may be taken: after its wait, or after the lease of whoever has it. Null is never.
    due INTEGER,
    owner TEXT,
    -- How often it was taken: the lease that is named so writes, and no other.
    fence INTEGER NOT NULL CHECK (fence >= 0),
    ticket INTEGER NOT NULL,
    asked INTEGER NOT NULL CHECK (asked IN (0, 1)),
    percent INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    problem TEXT,
    began INTEGER,
    ended INTEGER,
    -- How long its parts are kept once it has ended, and until when that is.
    keep INTEGER NOT NULL CHECK (keep >= 0),
    expires INTEGER,
    unit TEXT,
    hold BLOB CHECK (length(hold) = 16),
    charge INTEGER CHECK (charge >= 0),
    -- When its hold is to be settled: null where nothing is owed, or nothing any more.
    owes INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
    -- The number of its last event.
    events INTEGER NOT NULL,
    UNIQUE (tenant, once),
    CHECK ((due IS NULL) = (state IN ('completed', 'failed', 'cancelled'))),
    CHECK ((ended IS NULL) = (state IN ('pending', 'processing'))),
    CHECK ((owner IS NULL) = (state <> 'processing'))
) STRICT;

CREATE INDEX job_due ON job (class, tenant, due) WHERE due IS NOT NULL;
CREATE INDEX job_leased ON job (due) WHERE state = 'processing';
CREATE INDEX job_owes ON job (owes) WHERE owes IS NOT NULL;
CREATE INDEX job_expires ON job (expires) WHERE expires IS NOT NULL;
CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;
CREATE INDEX job_tenant ON job (tenant, id);
CREATE INDEX job_person ON job (tenant, person, id);

-- Apart from the row, which changes with each beat: what it was asked, what its steps have come
-- to, what came of it.
CREATE TABLE job_part (
    job BLOB NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('input', 'step', 'artefact')),
    name TEXT NOT NULL,
    media TEXT NOT NULL,
    fence INTEGER NOT NULL,
    sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    -- Of what is in it; sealed it is longer.
    size INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (job, role, name)
) STRICT;

CREATE TABLE job_step (
    job BLOB NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    place INTEGER NOT NULL,
    percent INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_event (
    job BLOB NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    percent INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    step TEXT,
    step_percent INTEGER,
    note TEXT,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    run BLOB NOT NULL CHECK (length(run) = 16),
    step INTEGER NOT NULL CHECK (step >= 0),
    print BLOB NOT NULL CHECK (length(print) = 32),
    expires INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'indefinite')),
    replica TEXT,
    epoch INTEGER,
    status INTEGER,
    media TEXT,
    form TEXT CHECK (form IN ('whole', 'stream')),
    -- Sealed. Null where it was dropped.
    body BLOB,
    UNIQUE (tenant, name),
    CHECK ((replica IS NOT NULL AND epoch IS NOT NULL) = (state = 'running')),
    CHECK ((status IS NOT NULL AND media IS NOT NULL AND form IS NOT NULL) = (state = 'done')),
    CHECK (body IS NULL OR state = 'done')
) STRICT;

CREATE INDEX idempotency_expires ON idempotency (expires);
