-- Credits are whole millionths. Instants are microseconds since 1970.

CREATE TABLE wallet (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'guest')),
    name TEXT NOT NULL,
    -- How many buckets there ever were.
    made INTEGER NOT NULL DEFAULT 0 CHECK (made >= 0),
    -- The last entry's number and hash.
    seq INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL CHECK (length(head) = 32),
    -- The plan that grants every month; null is none.
    plan TEXT,
    monthly INTEGER NOT NULL DEFAULT 0,
    periods INTEGER,
    -- From when months are counted. It outlasts the plan.
    since INTEGER,
    turn TEXT CHECK (turn IN ('calendar', 'anniversary')),
    zone TEXT,
    -- Whether it has thresholds of its own.
    watched INTEGER NOT NULL DEFAULT 0 CHECK (watched IN (0, 1)),
    UNIQUE (tenant, kind, name)
) STRICT;

-- What is empty stays: what was charged says from where it was taken.
CREATE TABLE wallet_bucket (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    id INTEGER NOT NULL CHECK (id > 0),
    source TEXT NOT NULL CHECK (source IN ('granted', 'bought', 'redeemed', 'refunded')),
    rest INTEGER NOT NULL CHECK (rest >= 0),
    held INTEGER NOT NULL CHECK (held >= 0),
    expires_at INTEGER,
    PRIMARY KEY (wallet, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_bucket_live ON wallet_bucket (wallet) WHERE rest > 0 OR held > 0;

CREATE TABLE wallet_hold (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    -- What the amount was made of, for people.
    price TEXT,
    -- Either an instant from which it is nobody's, or the job that ends it.
    expires_at INTEGER,
    job TEXT,
    ended_at INTEGER,
    charged INTEGER NOT NULL DEFAULT 0 CHECK (charged >= 0),
    released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0),
    lapsed INTEGER NOT NULL DEFAULT 0 CHECK (lapsed >= 0 AND lapsed <= released),
    refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= charged),
    PRIMARY KEY (wallet, id),
    CHECK ((expires_at IS NULL) <> (job IS NULL)),
    CHECK (ended_at IS NULL OR charged + released = amount)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_hold_open ON wallet_hold (wallet) WHERE ended_at IS NULL;

CREATE TABLE wallet_entry (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('grant', 'reserve', 'settle', 'release', 'expire', 'refund')),
    bucket INTEGER,
    event TEXT,
    hold BLOB CHECK (length(hold) = 16),
    source TEXT,
    expires_at INTEGER,
    rest INTEGER NOT NULL,
    held INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (wallet, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX wallet_entry_grant ON wallet_entry (wallet, event) WHERE kind = 'grant';
CREATE INDEX wallet_entry_refund ON wallet_entry (wallet, event) WHERE kind = 'refund';
CREATE INDEX wallet_entry_hold ON wallet_entry (wallet, hold) WHERE hold IS NOT NULL;
CREATE INDEX wallet_entry_at ON wallet_entry (wallet, at);

CREATE TRIGGER wallet_entry_stays BEFORE UPDATE ON wallet_entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

CREATE TRIGGER wallet_entry_remains BEFORE DELETE ON wallet_entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

-- In which period a threshold was told of; no row is not since the balance was above it.
CREATE TABLE wallet_alert (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    level INTEGER NOT NULL,
    fired_from INTEGER,
    fired_to INTEGER,
    PRIMARY KEY (wallet, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE wallet_code (
    tenant TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    amount INTEGER NOT NULL,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    used INTEGER NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= uses),
    expires_at INTEGER,
    credits_until INTEGER,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;

-- What the guests of one network wait for each other at.
CREATE TABLE guest_network (
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE guest_grant (
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    device TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, device, event)
) STRICT, WITHOUT ROWID;

CREATE INDEX guest_grant_prefix ON guest_grant (tenant, prefix, at);
CREATE INDEX guest_grant_at ON guest_grant (at);

-- What others are to hear of, once for each that is told.
CREATE TABLE outbox (
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- When it may be tried; while it is being tried, when somebody else may.
    next_at INTEGER NOT NULL,
    why TEXT,
    PRIMARY KEY (event, endpoint)
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX outbox_past ON outbox (state, next_at) WHERE state <> 'waiting';
