-- An entry is the sum of all holds that were carried to its account in one step, and no longer one
-- hold's: those that are there are sums of one.
ALTER TABLE entry DROP CONSTRAINT entry_hold_check;
ALTER TABLE entry RENAME COLUMN hold TO holds;
-- The holds: each one's id and what it paid in eight bytes, one behind the other; of one alone, its id.
-- Null when an owner was buried, and nobody knows for which holds it paid.
ALTER TABLE entry ADD CHECK (length(holds) = 16 OR length(holds) > 24 AND length(holds) % 24 = 0);

-- Writes a change, in the transaction in which its rows were locked.
CREATE OR REPLACE FUNCTION vault_write(
    p_unit text, p_replica text, p_epoch bigint, p_me bigint, p_at bigint,
    h_id bytea[], h_tenant bigint[], h_operator bigint[], h_source text[], h_lines bigint[],
    e_account bigint[], e_seq bigint[], e_hold bytea[], e_kind text[], e_amount bigint[],
    e_hash bytea[],
    a_id bigint[], a_was bigint[], a_paid bigint[], a_leased bigint[], a_seq bigint[],
    a_head bytea[], a_mine bigint[]
)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO hold (unit, id, tenant, operator, source, lines)
        SELECT p_unit, h.* FROM unnest(h_id, h_tenant, h_operator, h_source, h_lines) AS h;
    INSERT INTO entry (account, seq, holds, kind, amount, hash, replica, epoch, at)
        SELECT e.*, p_replica, p_epoch, p_at
        FROM unnest(e_account, e_seq, e_hold, e_kind, e_amount, e_hash) AS e;
    UPDATE account a SET paid = r.paid, leased = r.leased, seq = r.seq, head = r.head
        FROM unnest(a_id, a_was, a_paid, a_leased, a_seq, a_head)
            AS r (id, was, paid, leased, seq, head)
        WHERE a.id = r.id AND a.seq = r.was;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(a_id) THEN
        RAISE EXCEPTION 'an account was not locked' USING ERRCODE = '23514';
    END IF;
    DELETE FROM lease l USING unnest(a_id, a_mine) AS r (id, mine)
        WHERE l.owner = p_me AND l.account = r.id AND r.mine = 0;
    INSERT INTO lease (owner, account, amount)
        SELECT p_me, r.id, r.mine FROM unnest(a_id, a_mine) AS r (id, mine) WHERE r.mine > 0
        ON CONFLICT (owner, account) DO UPDATE SET amount = excluded.amount;
END $$;
