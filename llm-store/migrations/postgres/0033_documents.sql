-- Documents of people, cut into passages, and what was found out of them. Texts, names and vectors
-- are sealed under their person's key; numbers of texts and terms are made with it. Instants are
-- microseconds since 1970.

CREATE TABLE document (
    owner TEXT NOT NULL,
    -- Sorts by when it was made.
    id TEXT NOT NULL,
    -- The number of its collection's name; null is none.
    collection BIGINT,
    -- The number of its name, collection and content.
    print BIGINT NOT NULL,
    -- Its name, collection and type.
    sealed BYTEA NOT NULL,
    size BIGINT NOT NULL,
    pages BIGINT NOT NULL,
    passages BIGINT NOT NULL,
    -- The model whose vectors all of its passages have.
    model TEXT,
    -- Whether all of its passages are there; before that it is not seen.
    whole BIGINT NOT NULL,
    born BIGINT NOT NULL,
    PRIMARY KEY (owner, id)
);

CREATE INDEX document_collection ON document (owner, collection, id);
CREATE INDEX document_print ON document (owner, print);

CREATE TABLE passage (
    owner TEXT NOT NULL,
    document TEXT NOT NULL,
    seq BIGINT NOT NULL,
    page BIGINT NOT NULL,
    -- The number of its text: what its vector is found by.
    print BIGINT NOT NULL,
    -- Bytes at the beginning that are repeated of the passage before.
    lead BIGINT NOT NULL,
    -- Its terms, as numbers and how often, and how many there are in all.
    terms BYTEA NOT NULL,
    length BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (owner, document, seq)
);

CREATE INDEX passage_print ON passage (owner, print);

CREATE TABLE passage_vector (
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    print BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (owner, model, print)
);

CREATE TABLE analysis (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The job that does it; null where whoever asked has waited.
    job TEXT,
    born BIGINT NOT NULL,
    ended BIGINT,
    expires BIGINT NOT NULL,
    PRIMARY KEY (owner, id)
);

CREATE INDEX analysis_expires ON analysis (expires);

CREATE TABLE analysis_part (
    owner TEXT NOT NULL,
    analysis TEXT NOT NULL,
    -- What was asked, or what came of it.
    role TEXT NOT NULL CHECK (role IN ('order', 'report')),
    seq BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (owner, analysis, role, seq)
);
