-- Each label's calls in the log's order: a page of one label reads its own calls and no others. Written
-- with calls that have labels, in the place of the index of all those that have any.
CREATE TABLE request_label (
    label TEXT NOT NULL,
    at INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (label, at, id)
) STRICT, WITHOUT ROWID;

-- Labels stand between line ends, of which there is one before the first and one behind the last.
WITH RECURSIVE cut (label, rest, at, id) AS (
    SELECT NULL, substr(tags, 2), at, id FROM request WHERE tags IS NOT NULL
    UNION ALL
    SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1), at, id
    FROM cut WHERE rest <> ''
)
INSERT INTO request_label (label, at, id)
SELECT DISTINCT label, at, id FROM cut WHERE label IS NOT NULL ORDER BY label, at, id;

DROP INDEX request_tagged;

-- What the lines of a wallet come to in each hour since 1970: a month of a million lines is added up from
-- its hours. Months begin where a time zone has it, which is on the hour almost everywhere; where it
-- is not, the rest is added up from the lines.
CREATE TABLE wallet_hour (
    wallet INTEGER NOT NULL REFERENCES wallet (id),
    hour INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    PRIMARY KEY (wallet, hour)
) STRICT, WITHOUT ROWID;

INSERT INTO wallet_hour (wallet, hour, granted, spent, refunded, ended)
SELECT wallet, at / 3600000000,
    sum(CASE kind WHEN 'grant' THEN rest ELSE 0 END),
    sum(CASE kind WHEN 'settle' THEN spent ELSE 0 END),
    sum(CASE kind WHEN 'refund' THEN -spent ELSE 0 END),
    sum(CASE kind WHEN 'expire' THEN -rest ELSE 0 END)
FROM wallet_entry WHERE kind IN ('grant', 'settle', 'refund', 'expire')
GROUP BY 1, 2 ORDER BY 1, 2;

-- By the database itself: whoever writes a line writes its hour, and no statement more is carried out
-- for it.
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

-- Lines of the trail that are about something or somebody's, the latest first. The number is written so
-- that such a question has no other order to go by: where lines are taken for many, all would be walked.
DROP INDEX audit_who;
DROP INDEX audit_about;
DROP INDEX audit_about_who;
CREATE INDEX audit_who ON audit (who, (-seq));
CREATE INDEX audit_about ON audit (about, (-seq));
CREATE INDEX audit_about_who ON audit (about, who, (-seq));
