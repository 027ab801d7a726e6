-- A row of the log is written with each call: what most calls have in common is not written any more.
-- A table is not narrowed in place: NOT NULL columns would stay.
CREATE TABLE request_short (
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

INSERT INTO request_short
    (at, id, subject, outcome, input, output, charged, first_byte, total, rest, asked, tags, plan)
SELECT at, id, subject, outcome, input, output, charged, first_byte, total,
    attempts || ',' || stream || ',' || cache_read || ',' || cache_write || ',' || cache_write_1h
        || ',' || reasoning || ',' || audio_in || ',' || audio_out || ',' || images || ',' || pieces
        || ',' || audio_ms || ',' || unknown || ',' || source || ',' || loss
        || ',' || coalesce(credits, ''),
    asked, tags, plan
FROM request ORDER BY at, id;

DROP TABLE request;
ALTER TABLE request_short RENAME TO request;

CREATE UNIQUE INDEX request_id ON request (id);
CREATE INDEX request_tagged ON request (at, id) WHERE tags IS NOT NULL;
