-- Conversations of people. Whatever is said in one is sealed under the key of whose it is; what
-- stands open are times, the form of the tree, counts and names of models. Ids are 16 bytes that sort
-- by when they were made; instants are microseconds since 1970, money is billionths of a dollar.

CREATE TABLE conversation (
    owner TEXT NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    created BIGINT NOT NULL,
    -- When something was said last: by which conversations are listed.
    touched BIGINT NOT NULL,
    -- Where the branch ends that is gone on with; null where nothing was said.
    leaf BYTEA,
    -- Gone from then on, and swept up after; 0 is deleted.
    expires BIGINT,
    -- Sealed: how it asks.
    said BYTEA NOT NULL,
    -- Sealed; null is that it has none yet.
    title BYTEA,
    -- Sealed: what was said up to a message, in few words.
    summary BYTEA,
    summed BYTEA,
    PRIMARY KEY (owner, id)
);

CREATE INDEX conversation_touched ON conversation (owner, touched, id);
CREATE INDEX conversation_expires ON conversation (expires) WHERE expires IS NOT NULL;

CREATE TABLE chat_message (
    owner TEXT NOT NULL,
    conversation BYTEA NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    -- What it answers or goes on from; null is the first of a branch.
    parent BYTEA,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'stopped', 'failed', 'interrupted')),
    created BIGINT NOT NULL,
    ended BIGINT,
    -- A reply in progress is somebody's until then; after it, whoever wrote it is gone.
    until BIGINT,
    -- Somebody wants it to end.
    stop BIGINT NOT NULL DEFAULT 0,
    model TEXT,
    -- Why it ended: of the model, or the code of what went wrong.
    finish TEXT,
    fault TEXT,
    input BIGINT,
    output BIGINT,
    cost BIGINT,
    -- The key under which it was posted, and what with it: numbers that only its owner's key makes.
    again BIGINT,
    print BIGINT,
    -- Sealed: the text.
    body BYTEA NOT NULL,
    PRIMARY KEY (owner, conversation, id)
);

-- The tree alone, without the texts.
CREATE INDEX chat_message_tree ON chat_message (owner, conversation, id, parent, role);
CREATE UNIQUE INDEX chat_message_again ON chat_message (owner, conversation, again)
    WHERE again IS NOT NULL;
CREATE INDEX chat_message_pending ON chat_message (owner, conversation) WHERE state = 'pending';

-- What messages are found by: numbers for their terms, that only their owner's key makes.
CREATE TABLE chat_term (
    owner TEXT NOT NULL,
    term BIGINT NOT NULL,
    message BYTEA NOT NULL,
    conversation BYTEA NOT NULL,
    PRIMARY KEY (owner, term, message)
);

CREATE INDEX chat_term_conversation ON chat_term (owner, conversation, message);
