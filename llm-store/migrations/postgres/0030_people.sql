-- People whose things features keep. All that is theirs is sealed under a key of their own: who
-- forgets the key has forgotten the things. Instants are microseconds since 1970.

CREATE TABLE person (
    -- Whose: as deposits name it.
    owner TEXT NOT NULL PRIMARY KEY,
    -- Their key, sealed. Another one after each time that they were forgotten.
    sealed BYTEA NOT NULL,
    born BIGINT NOT NULL,
    -- Whether anything of theirs may be kept; null is that nobody has asked them.
    consent TEXT CHECK (consent IN ('given', 'withdrawn')),
    consented BIGINT
);
