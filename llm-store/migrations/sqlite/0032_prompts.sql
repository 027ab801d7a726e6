-- Prompts that people wrote, the templates they keep, what they try against each other and what they
-- say of it. What was written is sealed under the owner's key; what stands beside it are words of
-- ours, numbers and instants (microseconds since 1970). Ids are 16 bytes that sort by when they were
-- made. Every table but the last has its owner: whoever leaves is deleted by it.

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

-- Never changed but for what people said of it.
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

-- What became of each variant.
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

-- The same as it was when it was looked at: what is decided is decided by these alone.
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

-- Who was shown what, and how it went for them: the first outcome counts.
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

-- How prompts of a class and band of scores did. Nobody's.
CREATE TABLE prompt_outcome (
    class TEXT NOT NULL,
    band INTEGER NOT NULL,
    good INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    PRIMARY KEY (class, band)
) STRICT, WITHOUT ROWID;
