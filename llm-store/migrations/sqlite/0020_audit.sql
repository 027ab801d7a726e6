-- What operators have changed, and tried to: one chain of lines, each with a hash over the one
-- before it. Instants are microseconds since 1970.

-- One row: whoever appends locks it first.
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

CREATE INDEX audit_who ON audit (who, seq);
CREATE INDEX audit_about ON audit (about, seq);

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

CREATE TRIGGER audit_remains BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'entries are only ever appended');
END;

-- Lists of one owner are read in the order of their ids, and past nobody else's.
CREATE INDEX virtual_key_tenant ON virtual_key (tenant, id);
CREATE INDEX virtual_key_team ON virtual_key (tenant, team, id) WHERE team IS NOT NULL;
CREATE INDEX virtual_key_org ON virtual_key (tenant, org, id) WHERE org IS NOT NULL;
CREATE INDEX party_team ON party (tenant, kind, team, id) WHERE team IS NOT NULL;
CREATE INDEX party_org ON party (tenant, kind, org, id) WHERE org IS NOT NULL;
