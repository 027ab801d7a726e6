-- Conversations of people. Whatever is said in one is sealed under the key of whose it is; what
-- stands open are times, the form of the tree, counts and names of models. Ids are 16 bytes that sort
-- by when they were made; instants are microseconds since 1970, money is billionths of a dollar.

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

-- The tree alone, without the texts.
CREATE INDEX chat_message_tree ON chat_message (owner, conversation, id, parent, role);
CREATE UNIQUE INDEX chat_message_again ON chat_message (owner, conversation, again)
    WHERE again IS NOT NULL;
CREATE INDEX chat_message_pending ON chat_message (owner, conversation) WHERE state = 'pending';

-- What messages are found by: numbers for their terms, that only their owner's key makes.
CREATE TABLE chat_term (
    owner TEXT NOT NULL,
    term INTEGER NOT NULL,
    message BLOB NOT NULL,
    conversation BLOB NOT NULL,
    PRIMARY KEY (owner, term, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX chat_term_conversation ON chat_term (owner, conversation, message);
