-- Jobs, and what a repeated request gets. Instants are microseconds since 1970.

CREATE TABLE job (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    person TEXT,
    virtual_key TEXT,
    kind TEXT NOT NULL,
    -- How soon its work is wanted: 0 is served first.
    class BIGINT NOT NULL CHECK (class BETWEEN 0 AND 3),
    -- What its maker calls it, so that it is made once; and what was asked under that name.
    once TEXT,
    print BYTEA NOT NULL CHECK (length(print) = 32),
    created BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    attempts_max BIGINT NOT NULL CHECK (attempts_max > 0),
    -- When it may be taken: after its wait, or after the lease of whoever has it. Null is never.
    due BIGINT,
    owner TEXT,
    -- How often it was taken: the lease that is named so writes, and no other.
    fence BIGINT NOT NULL CHECK (fence >= 0),
    ticket BIGINT NOT NULL,
    asked BIGINT NOT NULL CHECK (asked IN (0, 1)),
    percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
    problem TEXT,
    began BIGINT,
    ended BIGINT,
    -- How long its parts are kept once it has ended, and until when that is.
    keep BIGINT NOT NULL CHECK (keep >= 0),
    expires BIGINT,
    unit TEXT,
    hold BYTEA CHECK (length(hold) = 16),
    charge BIGINT CHECK (charge >= 0),
    -- When its hold is to be settled: null where nothing is owed, or nothing any more.
    owes BIGINT,
    tries BIGINT NOT NULL DEFAULT 0,
    settled BIGINT NOT NULL CHECK (settled IN (0, 1)),
    -- The number of its last event.
    events BIGINT NOT NULL,
    UNIQUE (tenant, once),
    CHECK ((due IS NULL) = (state IN ('completed', 'failed', 'cancelled'))),
    CHECK ((ended IS NULL) = (state IN ('pending', 'processing'))),
    CHECK ((owner IS NULL) = (state <> 'processing'))
);

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
    job BYTEA NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('input', 'step', 'artefact')),
    name TEXT NOT NULL,
    media TEXT NOT NULL,
    fence BIGINT NOT NULL,
    sealed BIGINT NOT NULL CHECK (sealed IN (0, 1)),
    -- Of what is in it; sealed it is longer.
    size BIGINT NOT NULL,
    body BYTEA NOT NULL,
    UNIQUE (job, role, name)
);

CREATE TABLE job_step (
    job BYTEA NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    place BIGINT NOT NULL,
    percent BIGINT NOT NULL CHECK (percent BETWEEN 0 AND 100),
    PRIMARY KEY (job, name)
);

CREATE TABLE job_event (
    job BYTEA NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    number BIGINT NOT NULL CHECK (number > 0),
    at BIGINT NOT NULL,
    what TEXT NOT NULL,
    percent BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    step TEXT,
    step_percent BIGINT,
    note TEXT,
    PRIMARY KEY (job, number)
);

CREATE TABLE idempotency (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    run BYTEA NOT NULL CHECK (length(run) = 16),
    step BIGINT NOT NULL CHECK (step >= 0),
    print BYTEA NOT NULL CHECK (length(print) = 32),
    expires BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'indefinite')),
    replica TEXT,
    epoch BIGINT,
    status BIGINT,
    media TEXT,
    form TEXT CHECK (form IN ('whole', 'stream')),
    -- Sealed. Null where it was dropped.
    body BYTEA,
    UNIQUE (tenant, name),
    CHECK ((replica IS NOT NULL AND epoch IS NOT NULL) = (state = 'running')),
    CHECK ((status IS NOT NULL AND media IS NOT NULL AND form IS NOT NULL) = (state = 'done')),
    CHECK (body IS NULL OR state = 'done')
);

CREATE INDEX idempotency_expires ON idempotency (expires);
