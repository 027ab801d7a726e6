-- Each label's calls in the log's order: a page of one label reads its own calls and no others. Written
-- with calls that have labels, in the place of the index of all those that have any.
CREATE TABLE request_label (
    label TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (label, at, id)
);

-- Labels stand between line ends, of which there is one before the first and one behind the last.
INSERT INTO request_label (label, at, id)
SELECT DISTINCT l.label, r.at, r.id
FROM request r
CROSS JOIN LATERAL regexp_split_to_table(substr(r.tags, 2, length(r.tags) - 2), E'\n') AS l (label)
WHERE r.tags IS NOT NULL;

DROP INDEX request_tagged;

-- What the lines of a wallet come to in each hour since 1970: a month of a million lines is added up from
-- its hours. Months begin where a time zone has it, which is on the hour almost everywhere; where it
-- is not, the rest is added up from the lines.
CREATE TABLE wallet_hour (
    wallet BIGINT NOT NULL REFERENCES wallet (id),
    hour BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    PRIMARY KEY (wallet, hour)
);

INSERT INTO wallet_hour (wallet, hour, granted, spent, refunded, ended)
SELECT wallet, at / 3600000000,
    sum(CASE kind WHEN 'grant' THEN rest ELSE 0 END),
    sum(CASE kind WHEN 'settle' THEN spent ELSE 0 END),
    sum(CASE kind WHEN 'refund' THEN -spent ELSE 0 END),
    sum(CASE kind WHEN 'expire' THEN -rest ELSE 0 END)
FROM wallet_entry WHERE kind IN ('grant', 'settle', 'refund', 'expire')
GROUP BY 1, 2;

-- By the database itself: whoever writes a line writes its hour, and no statement more is carried out
-- for it. The wallet is locked by whoever writes.
CREATE FUNCTION wallet_hour_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO wallet_hour AS h (wallet, hour, granted, spent, refunded, ended)
    SELECT wallet, at / 3600000000,
        sum(CASE kind WHEN 'grant' THEN rest ELSE 0 END),
        sum(CASE kind WHEN 'settle' THEN spent ELSE 0 END),
        sum(CASE kind WHEN 'refund' THEN -spent ELSE 0 END),
        sum(CASE kind WHEN 'expire' THEN -rest ELSE 0 END)
    FROM written WHERE kind IN ('grant', 'settle', 'refund', 'expire')
    GROUP BY 1, 2
    ON CONFLICT (wallet, hour) DO UPDATE SET
        granted = h.granted + excluded.granted,
        spent = h.spent + excluded.spent,
        refunded = h.refunded + excluded.refunded,
        ended = h.ended + excluded.ended;
    RETURN NULL;
END $$;

CREATE TRIGGER wallet_entry_in_its_hour AFTER INSERT ON wallet_entry
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_hour_added();

-- Lines of the trail that are about something or somebody's, the latest first. The number is written so
-- that such a question has no other order to go by: where lines are taken for many, all would be walked.
DROP INDEX audit_who;
DROP INDEX audit_about;
DROP INDEX audit_about_who;
CREATE INDEX audit_who ON audit (who, (-seq));
CREATE INDEX audit_about ON audit (about, (-seq));
CREATE INDEX audit_about_who ON audit (about, who, (-seq));
