-- What the migrations of SQLite come to. Written by a test.
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
CREATE TABLE directory_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT;
CREATE TABLE plan (
    name TEXT PRIMARY KEY,
    limits TEXT NOT NULL,
    models TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('critical', 'default', 'batch', 'sheddable')),
    created INTEGER NOT NULL
, own_keys TEXT CHECK (own_keys IN ('off', 'allowed', 'required')), own_keys_charged INTEGER NOT NULL DEFAULT 0 CHECK (own_keys_charged IN (0, 1))) STRICT, WITHOUT ROWID;
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
CREATE UNIQUE INDEX virtual_key_head ON virtual_key (line) WHERE replaced_by IS NULL;
CREATE INDEX virtual_key_line ON virtual_key (line);
CREATE INDEX virtual_key_issuer ON virtual_key (issuer) WHERE issuer IS NOT NULL;
CREATE INDEX virtual_key_owner ON virtual_key (tenant, person, id);
CREATE INDEX virtual_key_plan ON virtual_key (plan) WHERE plan IS NOT NULL;
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
CREATE TABLE request_subject (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    person TEXT NOT NULL,
    team TEXT NOT NULL,
    feature TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    target TEXT NOT NULL,
    cached INTEGER NOT NULL,
    -- 0 is known by name, 1 is forgotten while its rows are not yet, 2 is forgotten.
    erased INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, key, person, team, feature, operation, model, target, cached)
) STRICT;
CREATE INDEX request_subject_key ON request_subject (key);
CREATE INDEX request_subject_person ON request_subject (person);
CREATE TABLE request_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    erasures INTEGER NOT NULL
, turn INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE usage_day (
    day INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_in INTEGER NOT NULL,
    audio_out INTEGER NOT NULL,
    images INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    audio_ms INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    loss INTEGER NOT NULL,
    PRIMARY KEY (day, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_day_subject ON usage_day (subject);
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
CREATE TRIGGER wallet_entry_stays BEFORE UPDATE ON wallet_entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
CREATE TRIGGER wallet_entry_remains BEFORE DELETE ON wallet_entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
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
    size INTEGER NOT NULL CHECK (size >= 0), own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1)),
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
    body BLOB NOT NULL, own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1)),
    PRIMARY KEY (deposit, number)
) STRICT;
CREATE TABLE batch_line (
    batch BLOB NOT NULL CHECK (length(batch) = 16),
    number INTEGER NOT NULL CHECK (number >= 0),
    -- The process that asked, and the call it made: whether it was paid for is found by these.
    replica TEXT NOT NULL,
    call BLOB NOT NULL CHECK (length(call) = 16),
    state TEXT NOT NULL CHECK (state IN ('sent', 'done', 'failed')),
    sealed INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    body BLOB, own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1)),
    PRIMARY KEY (batch, number),
    CHECK ((body IS NULL) = (state = 'sent'))
) STRICT, WITHOUT ROWID;
CREATE TABLE batch_end (
    batch BLOB NOT NULL PRIMARY KEY CHECK (length(batch) = 16),
    state TEXT NOT NULL CHECK (state IN ('completed', 'expired', 'cancelled')),
    done INTEGER NOT NULL CHECK (done >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_ended ON batch_end (at);
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL CHECK (seq >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    -- A JSON object without secrets.
    detail TEXT NOT NULL,
    -- asked, done, refused.
    outcome TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
CREATE TRIGGER audit_remains BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
CREATE INDEX virtual_key_tenant ON virtual_key (tenant, id);
CREATE INDEX virtual_key_team ON virtual_key (tenant, team, id) WHERE team IS NOT NULL;
CREATE INDEX virtual_key_org ON virtual_key (tenant, org, id) WHERE org IS NOT NULL;
CREATE INDEX party_team ON party (tenant, kind, team, id) WHERE team IS NOT NULL;
CREATE INDEX party_org ON party (tenant, kind, org, id) WHERE org IS NOT NULL;
CREATE TABLE person (
    -- Whose: as deposits name it.
    owner TEXT NOT NULL PRIMARY KEY,
    -- Their key, sealed. Another one after each time that they were forgotten.
    sealed BLOB NOT NULL,
    born INTEGER NOT NULL,
    -- Whether anything of theirs may be kept; null is that nobody has asked them.
    consent TEXT CHECK (consent IN ('given', 'withdrawn')),
    consented INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE conversation (
    owner TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    created INTEGER NOT NULL,
    -- When something was said last: by which conversations are listed.
    touched INTEGER NOT NULL,
    -- Where the branch ends that is gone on with; null where nothing was said.
    leaf BLOB,
    -- Gone from then on, and swept up after; 0 is deleted.
    expires INTEGER,
    -- Sealed: how it asks.
    said BLOB NOT NULL,
    -- Sealed; null is that it has none yet.
    title BLOB,
    -- Sealed: what was said up to a message, in few words.
    summary BLOB,
    summed BLOB,
    PRIMARY KEY (owner, id)
) STRICT;
CREATE INDEX conversation_touched ON conversation (owner, touched, id);
CREATE INDEX conversation_expires ON conversation (expires) WHERE expires IS NOT NULL;
CREATE TABLE chat_message (
    owner TEXT NOT NULL,
    conversation BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    -- What it answers or goes on from; null is the first of a branch.
    parent BLOB,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'stopped', 'failed', 'interrupted')),
    created INTEGER NOT NULL,
    ended INTEGER,
    -- A reply in progress is somebody's until then; after it, whoever wrote it is gone.
    until INTEGER,
    -- Somebody wants it to end.
    stop INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    -- Why it ended: of the model, or the code of what went wrong.
    finish TEXT,
    fault TEXT,
    input INTEGER,
    output INTEGER,
    cost INTEGER,
    -- The key under which it was posted, and what with it: numbers that only its owner's key makes.
    again INTEGER,
    print INTEGER,
    -- Sealed: the text.
    body BLOB NOT NULL,
    PRIMARY KEY (owner, conversation, id)
) STRICT;
CREATE INDEX chat_message_tree ON chat_message (owner, conversation, id, parent, role);
CREATE UNIQUE INDEX chat_message_again ON chat_message (owner, conversation, again)
    WHERE again IS NOT NULL;
CREATE INDEX chat_message_pending ON chat_message (owner, conversation) WHERE state = 'pending';
CREATE TABLE chat_term (
    owner TEXT NOT NULL,
    term INTEGER NOT NULL,
    message BLOB NOT NULL,
    conversation BLOB NOT NULL,
    PRIMARY KEY (owner, term, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX chat_term_conversation ON chat_term (owner, conversation, message);
CREATE TABLE prompt_boost (
    id BLOB NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    -- What rules said of it: for what it tells of prompts like it.
    class TEXT NOT NULL,
    band INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    made INTEGER NOT NULL
) STRICT;
CREATE INDEX prompt_boost_owner ON prompt_boost (owner, id);
CREATE TABLE prompt_template (
    id BLOB NOT NULL PRIMARY KEY,
    -- A user's, a team's, or everybody's.
    owner TEXT NOT NULL,
    -- The number that stands for the name, made with the owner's key.
    name INTEGER NOT NULL,
    -- Its name, its labels and what is said of it.
    sealed BLOB NOT NULL,
    -- How often that was written.
    revision INTEGER NOT NULL,
    -- The number of its last version; versions are numbered from 1.
    latest INTEGER NOT NULL,
    made INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    UNIQUE (owner, name)
) STRICT;
CREATE INDEX prompt_template_owner ON prompt_template (owner, id);
CREATE TABLE prompt_version (
    template BLOB NOT NULL,
    number INTEGER NOT NULL,
    owner TEXT NOT NULL,
    sealed BLOB NOT NULL,
    made INTEGER NOT NULL,
    good INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    PRIMARY KEY (template, number)
) STRICT;
CREATE INDEX prompt_version_owner ON prompt_version (owner);
CREATE TABLE prompt_experiment (
    id BLOB NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    -- What is tried, and how it will be decided: written once.
    sealed BLOB NOT NULL,
    -- After so many outcomes it is over.
    outcomes INTEGER NOT NULL,
    -- How often it is looked at until then, and how often it was.
    looks INTEGER NOT NULL,
    looked INTEGER NOT NULL,
    made INTEGER NOT NULL
) STRICT;
CREATE INDEX prompt_experiment_owner ON prompt_experiment (owner, id);
CREATE TABLE prompt_arm (
    experiment BLOB NOT NULL,
    arm INTEGER NOT NULL,
    owner TEXT NOT NULL,
    shown INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    won INTEGER NOT NULL,
    PRIMARY KEY (experiment, arm)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_arm_owner ON prompt_arm (owner);
CREATE TABLE prompt_look (
    experiment BLOB NOT NULL,
    look INTEGER NOT NULL,
    arm INTEGER NOT NULL,
    owner TEXT NOT NULL,
    tried INTEGER NOT NULL,
    won INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (experiment, look, arm)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_look_owner ON prompt_look (owner);
CREATE TABLE prompt_trial (
    experiment BLOB NOT NULL,
    -- A hash of whoever it was.
    subject BLOB NOT NULL,
    -- Whose key asked.
    owner TEXT NOT NULL,
    arm INTEGER NOT NULL,
    outcome INTEGER,
    made INTEGER NOT NULL,
    PRIMARY KEY (experiment, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_trial_owner ON prompt_trial (owner);
CREATE TABLE prompt_feedback (
    id BLOB NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    -- What it is about, and which one.
    about TEXT NOT NULL CHECK (about IN ('message', 'boost', 'experiment', 'template')),
    object TEXT NOT NULL,
    thumb INTEGER,
    score INTEGER,
    -- The comment.
    sealed BLOB,
    made INTEGER NOT NULL,
    UNIQUE (owner, about, object)
) STRICT;
CREATE INDEX prompt_feedback_owner ON prompt_feedback (owner, id);
CREATE TABLE prompt_outcome (
    class TEXT NOT NULL,
    band INTEGER NOT NULL,
    good INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    PRIMARY KEY (class, band)
) STRICT, WITHOUT ROWID;
CREATE TABLE document (
    owner TEXT NOT NULL,
    -- Sorts by when it was made.
    id TEXT NOT NULL,
    -- The number of its collection's name; null is none.
    collection INTEGER,
    -- The number of its name, collection and content.
    print INTEGER NOT NULL,
    -- Its name, collection and type.
    sealed BLOB NOT NULL,
    size INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    -- The model whose vectors all of its passages have.
    model TEXT,
    -- Whether all of its passages are there; before that it is not seen.
    whole INTEGER NOT NULL,
    born INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_collection ON document (owner, collection, id);
CREATE INDEX document_print ON document (owner, print);
CREATE TABLE passage (
    owner TEXT NOT NULL,
    document TEXT NOT NULL,
    seq INTEGER NOT NULL,
    page INTEGER NOT NULL,
    -- The number of its text: what its vector is found by.
    print INTEGER NOT NULL,
    -- Bytes at the beginning that are repeated of the passage before.
    lead INTEGER NOT NULL,
    -- Its terms, as numbers and how often, and how many there are in all.
    terms BLOB NOT NULL,
    length INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, document, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX passage_print ON passage (owner, print);
CREATE TABLE passage_vector (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    print INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, model, print)
) STRICT, WITHOUT ROWID;
CREATE TABLE analysis (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The job that does it; null where whoever asked has waited.
    job TEXT,
    born INTEGER NOT NULL,
    ended INTEGER,
    expires INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX analysis_expires ON analysis (expires);
CREATE TABLE analysis_part (
    owner TEXT NOT NULL,
    analysis TEXT NOT NULL,
    -- What was asked, or what came of it.
    role TEXT NOT NULL CHECK (role IN ('order', 'report')),
    seq INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (owner, analysis, role, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_key ON job (tenant, virtual_key, id) WHERE person IS NULL;
CREATE TABLE request_pruned (
    plan TEXT PRIMARY KEY,
    upto INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE "request" (
    at INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    subject INTEGER NOT NULL,
    -- done, left, or the kind of the error.
    outcome TEXT NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    first_byte INTEGER,
    total INTEGER NOT NULL,
    -- Null for a call of one attempt that was answered whole and has nothing else to say. Otherwise, with
    -- commas between them: attempts, stream, cache_read, cache_write, cache_write_1h, reasoning,
    -- audio_in, audio_out, images, pieces, audio_ms, unknown (1: the tokens read are not known, 2: nor
    -- those written), source (0 reported, 1 counted, 2 estimated), loss, credits, which may be empty.
    rest TEXT,
    -- What was asked for, where it is no model of ours.
    asked TEXT,
    -- Each between two line ends.
    tags TEXT,
    plan TEXT,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX request_id ON request (id);
CREATE TABLE "entry" (
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
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
CREATE TRIGGER entry_remains BEFORE DELETE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;
CREATE TABLE request_span (
    span INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    PRIMARY KEY (span, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX request_span_subject ON request_span (subject, span);
CREATE INDEX request_subject_model ON request_subject (model);
CREATE INDEX job_person_state ON job (tenant, person, state, id) WHERE person IS NOT NULL;
CREATE INDEX job_person_kind ON job (tenant, person, kind, state, id) WHERE person IS NOT NULL;
CREATE INDEX job_key_state ON job (tenant, virtual_key, state, id) WHERE person IS NULL;
CREATE INDEX job_key_kind ON job (tenant, virtual_key, kind, state, id) WHERE person IS NULL;
CREATE INDEX deposit_there ON deposit (owner, kind, seq) WHERE state = 'there';
CREATE INDEX virtual_key_tenant_head ON virtual_key (tenant, id) WHERE replaced_by IS NULL;
CREATE INDEX virtual_key_owner_head ON virtual_key (tenant, person, id)
    WHERE replaced_by IS NULL AND person IS NOT NULL;
CREATE INDEX virtual_key_team_head ON virtual_key (tenant, team, id)
    WHERE replaced_by IS NULL AND team IS NOT NULL;
CREATE INDEX virtual_key_org_head ON virtual_key (tenant, org, id)
    WHERE replaced_by IS NULL AND org IS NOT NULL;
CREATE INDEX virtual_key_both ON virtual_key (tenant, person, team, id)
    WHERE person IS NOT NULL AND team IS NOT NULL;
CREATE INDEX wallet_entry_kind ON wallet_entry (wallet, (kind || ''), at, seq, rest, spent);
CREATE TABLE erasure (
    at INTEGER NOT NULL,
    print BLOB NOT NULL CHECK (length(print) = 32),
    PRIMARY KEY (at, print)
) STRICT, WITHOUT ROWID;
CREATE TABLE request_label (
    label TEXT NOT NULL,
    at INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (label, at, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE wallet_hour (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    hour INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    PRIMARY KEY (wallet, hour)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER wallet_entry_in_its_hour AFTER INSERT ON wallet_entry
WHEN new.kind IN ('grant', 'settle', 'refund', 'expire')
BEGIN
    INSERT INTO wallet_hour (wallet, hour, granted, spent, refunded, ended) VALUES (
        new.wallet, new.at / 3600000000,
        CASE new.kind WHEN 'grant' THEN new.rest ELSE 0 END,
        CASE new.kind WHEN 'settle' THEN new.spent ELSE 0 END,
        CASE new.kind WHEN 'refund' THEN -new.spent ELSE 0 END,
        CASE new.kind WHEN 'expire' THEN -new.rest ELSE 0 END
    ) ON CONFLICT (wallet, hour) DO UPDATE SET
        granted = granted + excluded.granted,
        spent = spent + excluded.spent,
        refunded = refunded + excluded.refunded,
        ended = ended + excluded.ended;
END;
CREATE INDEX audit_who ON audit (who, (-seq));
CREATE INDEX audit_about ON audit (about, (-seq));
CREATE INDEX audit_about_who ON audit (about, who, (-seq));
ANALYZE wallet_alert;
INSERT INTO directory_head (id, seq) VALUES (1, 0);
INSERT INTO request_state (id, erasures, turn) VALUES (1, 0, 0);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('document', 'document', '1000000 1000 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('document', 'document_collection', '1000000 1000 50 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('document', 'document_print', '1000000 1000 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('request_subject', 'request_subject_key', '1000000 10');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('request_subject', 'request_subject_model', '1000000 10000');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('request_subject', 'request_subject_person', '1000000 10');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('request_subject', 'sqlite_autoindex_request_subject_1', '1000000 500000 10 5 5 5 4 3 2 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('usage_day', 'usage_day', '1000000 10000 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('usage_day', 'usage_day_subject', '1000000 30');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_bucket', 'wallet_bucket', '10000 100 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_bucket', 'wallet_bucket_live', '1000 10');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_entry', 'wallet_entry', '1000000 10000 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_entry', 'wallet_entry_grant', '10000 100 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_entry', 'wallet_entry_hold', '1000000 10000 3');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_entry', 'wallet_entry_kind', '1000000 10000 2000 1 1 1 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_entry', 'wallet_entry_refund', '10000 100 2');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_hold', 'wallet_hold', '300000 3000 1');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('wallet_hold', 'wallet_hold_open', '1000 10');
ANALYZE sqlite_schema;
