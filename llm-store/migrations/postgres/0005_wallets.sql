-- Credits are whole millionths. Instants are microseconds since 1970.

CREATE TABLE wallet (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'guest')),
    name TEXT NOT NULL,
    -- How many buckets there ever were.
    made BIGINT NOT NULL DEFAULT 0 CHECK (made >= 0),
    -- The last entry's number and hash.
    seq BIGINT NOT NULL DEFAULT 0,
    head BYTEA NOT NULL CHECK (length(head) = 32),
    -- The plan that grants every month; null is none.
    plan TEXT,
    monthly BIGINT NOT NULL DEFAULT 0,
    periods BIGINT,
    -- From when months are counted. It outlasts the plan.
    since BIGINT,
    turn TEXT CHECK (turn IN ('calendar', 'anniversary')),
    zone TEXT,
    -- Whether it has thresholds of its own.
    watched BIGINT NOT NULL DEFAULT 0 CHECK (watched IN (0, 1)),
    UNIQUE (tenant, kind, name)
);

-- What is empty stays: what was charged says from where it was taken.
CREATE TABLE wallet_bucket (
    wallet BIGINT NOT NULL REFERENCES wallet (id),
    id BIGINT NOT NULL CHECK (id > 0),
    source TEXT NOT NULL CHECK (source IN ('granted', 'bought', 'redeemed', 'refunded')),
    rest BIGINT NOT NULL CHECK (rest >= 0),
    held BIGINT NOT NULL CHECK (held >= 0),
    expires_at BIGINT,
    PRIMARY KEY (wallet, id)
);

CREATE INDEX wallet_bucket_live ON wallet_bucket (wallet) WHERE rest > 0 OR held > 0;

CREATE TABLE wallet_hold (
    wallet BIGINT NOT NULL REFERENCES wallet (id),
    id BYTEA NOT NULL CHECK (length(id) = 16),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    -- What the amount was made of, for people.
    price TEXT,
    -- Either an instant from which it is nobody's, or the job that ends it.
    expires_at BIGINT,
    job TEXT,
    ended_at BIGINT,
    charged BIGINT NOT NULL DEFAULT 0 CHECK (charged >= 0),
    released BIGINT NOT NULL DEFAULT 0 CHECK (released >= 0),
    lapsed BIGINT NOT NULL DEFAULT 0 CHECK (lapsed >= 0 AND lapsed <= released),
    refunded BIGINT NOT NULL DEFAULT 0 CHECK (refunded >= 0 AND refunded <= charged),
    PRIMARY KEY (wallet, id),
    CHECK ((expires_at IS NULL) <> (job IS NULL)),
    CHECK (ended_at IS NULL OR charged + released = amount)
);

CREATE INDEX wallet_hold_open ON wallet_hold (wallet) WHERE ended_at IS NULL;

-- Events are compared byte by byte: those of a month are found by how they begin.
CREATE TABLE wallet_entry (
    wallet BIGINT NOT NULL REFERENCES wallet (id),
    seq BIGINT NOT NULL CHECK (seq > 0),
    at BIGINT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('grant', 'reserve', 'settle', 'release', 'expire', 'refund')),
    bucket BIGINT,
    event TEXT COLLATE "C",
    hold BYTEA CHECK (length(hold) = 16),
    source TEXT,
    expires_at BIGINT,
    rest BIGINT NOT NULL,
    held BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (wallet, seq)
);

CREATE UNIQUE INDEX wallet_entry_grant ON wallet_entry (wallet, event) WHERE kind = 'grant';
CREATE INDEX wallet_entry_refund ON wallet_entry (wallet, event) WHERE kind = 'refund';
CREATE INDEX wallet_entry_hold ON wallet_entry (wallet, hold) WHERE hold IS NOT NULL;
CREATE INDEX wallet_entry_at ON wallet_entry (wallet, at);

CREATE TRIGGER wallet_entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_entry
    FOR EACH STATEMENT EXECUTE FUNCTION entry_stays();

-- In which period a threshold was told of; no row is not since the balance was above it.
CREATE TABLE wallet_alert (
    wallet BIGINT NOT NULL REFERENCES wallet (id),
    level BIGINT NOT NULL,
    fired_from BIGINT,
    fired_to BIGINT,
    PRIMARY KEY (wallet, level)
);

CREATE TABLE wallet_code (
    tenant TEXT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    amount BIGINT NOT NULL,
    uses BIGINT NOT NULL CHECK (uses >= 0),
    used BIGINT NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= uses),
    expires_at BIGINT,
    credits_until BIGINT,
    PRIMARY KEY (tenant, hash)
);

-- What the guests of one network wait for each other at.
CREATE TABLE guest_network (
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, prefix)
);

CREATE TABLE guest_grant (
    tenant TEXT NOT NULL,
    prefix TEXT NOT NULL,
    device TEXT NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, device, event)
);

CREATE INDEX guest_grant_prefix ON guest_grant (tenant, prefix, at);
CREATE INDEX guest_grant_at ON guest_grant (at);

-- What others are to hear of, once for each that is told.
CREATE TABLE outbox (
    event TEXT COLLATE "C" NOT NULL,
    endpoint TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    tries BIGINT NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- When it may be tried; while it is being tried, when somebody else may.
    next_at BIGINT NOT NULL,
    why TEXT,
    PRIMARY KEY (event, endpoint)
);

CREATE INDEX outbox_due ON outbox (endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX outbox_past ON outbox (state, next_at) WHERE state <> 'waiting';
