-- Amounts are whole pieces of the unit (billionths of a dollar, millionths of a credit). The unit is
-- part of every name, so that nothing of one can be added to the other. Instants are microseconds
-- since 1970.

CREATE TABLE owner (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit TEXT NOT NULL,
    replica TEXT NOT NULL,
    -- The epoch that lives, and the last one that was buried.
    epoch BIGINT NOT NULL CHECK (epoch >= 0),
    buried BIGINT NOT NULL DEFAULT 0,
    heard BIGINT NOT NULL,
    lives BIGINT NOT NULL,
    UNIQUE (unit, replica)
);

CREATE TABLE account (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit TEXT NOT NULL,
    owner TEXT NOT NULL
        CHECK (owner IN ('key', 'user', 'feature', 'team', 'org', 'tenant', 'operator')),
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    -- The window that it counts, as start/end; empty for a balance without one.
    span TEXT NOT NULL,
    -- Null is without limit.
    lim BIGINT,
    -- Both are caches: of the entries, and of the leases.
    paid BIGINT NOT NULL DEFAULT 0 CHECK (paid >= 0),
    leased BIGINT NOT NULL DEFAULT 0 CHECK (leased >= 0),
    -- The last entry's number and hash.
    seq BIGINT NOT NULL DEFAULT 0,
    head BYTEA NOT NULL CHECK (length(head) = 32),
    UNIQUE (unit, owner, name, rule, span)
);

CREATE TABLE lease (
    owner BIGINT NOT NULL REFERENCES owner (id),
    account BIGINT NOT NULL REFERENCES account (id),
    amount BIGINT NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (owner, account)
);

CREATE INDEX lease_account ON lease (account);

CREATE TABLE hold (
    unit TEXT NOT NULL,
    id BYTEA NOT NULL CHECK (length(id) = 16),
    tenant BIGINT NOT NULL CHECK (tenant >= 0),
    operator BIGINT NOT NULL CHECK (operator >= 0),
    source TEXT NOT NULL CHECK (source IN ('reported', 'counted', 'estimated')),
    -- How many entries it wrote.
    lines BIGINT NOT NULL CHECK (lines >= 0),
    PRIMARY KEY (unit, id)
);

CREATE TABLE entry (
    account BIGINT NOT NULL REFERENCES account (id),
    seq BIGINT NOT NULL CHECK (seq > 0),
    -- Null when an owner was buried, and nobody knows for which holds it paid.
    hold BYTEA CHECK (length(hold) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('settle', 'loss')),
    amount BIGINT NOT NULL CHECK (amount > 0),
    replica TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (account, seq)
);

CREATE FUNCTION entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are only ever appended';
END $$;

CREATE TRIGGER entry_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
    FOR EACH STATEMENT EXECUTE FUNCTION entry_stays();

-- The server's clock: the only one that all replicas share.
CREATE FUNCTION vault_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Locks are taken in one order everywhere: the owner, then its accounts from the narrowest to the
-- widest. Steps of a living owner share its row (KEY SHARE); whoever fences it wants it alone
-- (UPDATE), and so waits for them and is waited for. Each statement of a function sees what was
-- committed before it, also by those that it has waited for.

-- A process begins: its epoch, and what it finds leased.
CREATE FUNCTION vault_enter(p_unit text, p_replica text)
RETURNS TABLE (epoch_ bigint, owner_ text, name_ text, rule_ text, span_ text, amount_ bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me bigint;
    now bigint := vault_now();
    mine bigint;
BEGIN
    INSERT INTO owner (unit, replica, epoch, heard, lives) VALUES (p_unit, p_replica, 0, now, now)
        ON CONFLICT (unit, replica) DO NOTHING;
    SELECT o.id INTO me FROM owner o WHERE o.unit = p_unit AND o.replica = p_replica FOR UPDATE;
    UPDATE owner o SET epoch = o.epoch + 1, heard = now, lives = now WHERE o.id = me
        RETURNING o.epoch INTO mine;
    RETURN QUERY SELECT mine, a.owner, a.name, a.rule, a.span, l.amount
        FROM (SELECT 1) AS one
        LEFT JOIN lease l ON l.owner = me AND l.amount > 0
        LEFT JOIN account a ON a.id = l.account;
END $$;

-- Credit is set aside for all asks or for none. Status: 0 fenced, 1 granted, 2 refused. The limits
-- that come with the asks are kept either way.
CREATE FUNCTION vault_lease(
    p_unit text, p_replica text, p_epoch bigint, p_order int[],
    p_owner text[], p_name text[], p_rule text[], p_span text[], p_head bytea[],
    p_limit bigint[], p_has bigint[], p_least bigint[], p_like bigint[]
)
RETURNS TABLE (
    status_ int, place_ int, limit_ bigint, paid_ bigint, leased_ bigint, asked_ bigint, has_ bigint[]
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me bigint;
    n int := cardinality(p_name);
    i int;
    found_ account%ROWTYPE;
    rows_ account[] := array_fill(NULL::account, ARRAY[cardinality(p_name)]);
    known bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_name)]);
    more bigint[] := array_fill(0::bigint, ARRAY[cardinality(p_name)]);
    most CONSTANT bigint := 9223372036854775807;
    unheard bigint;
    at_least bigint;
    rest bigint;
BEGIN
    SELECT o.id INTO me FROM owner o
        WHERE o.unit = p_unit AND o.replica = p_replica AND o.epoch = p_epoch AND o.buried < o.epoch
        FOR KEY SHARE;
    IF NOT FOUND THEN
        status_ := 0;
        RETURN NEXT;
        RETURN;
    END IF;
    FOREACH i IN ARRAY p_order LOOP
        SELECT * INTO found_ FROM account a
            WHERE a.unit = p_unit AND a.owner = p_owner[i] AND a.name = p_name[i]
                AND a.rule = p_rule[i] AND a.span = p_span[i]
            FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            INSERT INTO account (unit, owner, name, rule, span, lim, head)
                VALUES (p_unit, p_owner[i], p_name[i], p_rule[i], p_span[i], p_limit[i], p_head[i])
                ON CONFLICT (unit, owner, name, rule, span) DO NOTHING;
            SELECT * INTO STRICT found_ FROM account a
                WHERE a.unit = p_unit AND a.owner = p_owner[i] AND a.name = p_name[i]
                    AND a.rule = p_rule[i] AND a.span = p_span[i]
                FOR NO KEY UPDATE;
        END IF;
        IF p_span[i] <> '' AND found_.lim IS DISTINCT FROM p_limit[i] THEN
            UPDATE account a SET lim = p_limit[i] WHERE a.id = found_.id;
            found_.lim := p_limit[i];
        END IF;
        rows_[i] := found_;
        -- After the lock: what was leased before it is seen.
        SELECT l.amount INTO unheard FROM lease l WHERE l.owner = me AND l.account = found_.id;
        known[i] := coalesce(unheard, 0);
    END LOOP;
    FOR i IN 1..n LOOP
        found_ := rows_[i];
        unheard := greatest(known[i] - p_has[i], 0);
        IF unheard > 0 AND unheard >= p_least[i] THEN
            CONTINUE;
        END IF;
        at_least := greatest(p_least[i] - unheard, 0);
        rest := greatest(coalesce(found_.lim, most)::numeric - found_.paid - found_.leased, 0);
        IF at_least > rest THEN
            status_ := 2;
            place_ := i - 1;
            limit_ := coalesce(found_.lim, most);
            paid_ := found_.paid;
            leased_ := found_.leased;
            asked_ := at_least;
            RETURN NEXT;
            RETURN;
        END IF;
        more[i] := greatest(least(greatest(p_like[i] - unheard, at_least), rest / 11), at_least);
    END LOOP;
    FOR i IN 1..n LOOP
        CONTINUE WHEN more[i] = 0;
        found_ := rows_[i];
        -- The check is in the statement that raises, whatever was computed before it.
        UPDATE account a SET leased = a.leased + more[i]
            WHERE a.id = found_.id AND a.paid::numeric + a.leased + more[i] <= coalesce(a.lim, most);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a lease would pass its limit' USING ERRCODE = '23514';
        END IF;
        INSERT INTO lease (owner, account, amount) VALUES (me, found_.id, known[i] + more[i])
            ON CONFLICT (owner, account) DO UPDATE SET amount = excluded.amount;
        known[i] := known[i] + more[i];
    END LOOP;
    status_ := 1;
    has_ := known;
    RETURN NEXT;
END $$;

-- Locks what a batch may move, and tells it. What: 0 the owner (its id, and the instant in place of
-- a number), 1 a hold that is known, 2 an account. Nothing at all when the owner is fenced.
CREATE FUNCTION vault_look(
    p_unit text, p_replica text, p_epoch bigint,
    p_owner text[], p_name text[], p_rule text[], p_span text[],
    p_hold bytea[], p_lossy boolean[], p_loss_name text, p_loss_head bytea
)
RETURNS TABLE (
    what_ int, place_ int, id_ bigint, limit_ bigint, paid_ bigint, leased_ bigint, seq_ bigint,
    head_ bytea, mine_ bigint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me bigint;
    i int;
    n int := cardinality(p_name);
    found_ account%ROWTYPE;
    loses boolean;
BEGIN
    SELECT o.id INTO me FROM owner o
        WHERE o.unit = p_unit AND o.replica = p_replica AND o.epoch = p_epoch AND o.buried < o.epoch
        FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 0, 0, me, NULL::bigint, 0::bigint, 0::bigint, vault_now(),
        NULL::bytea, 0::bigint;
    FOR i IN 1..n LOOP
        SELECT * INTO found_ FROM account a
            WHERE a.unit = p_unit AND a.owner = p_owner[i] AND a.name = p_name[i]
                AND a.rule = p_rule[i] AND a.span = p_span[i]
            FOR NO KEY UPDATE;
        CONTINUE WHEN NOT FOUND;
        RETURN QUERY SELECT 2, i - 1, found_.id, found_.lim, found_.paid, found_.leased, found_.seq,
            found_.head, coalesce((SELECT l.amount FROM lease l
                WHERE l.owner = me AND l.account = found_.id), 0);
    END LOOP;
    RETURN QUERY SELECT 1, (k.place - 1)::int, 0::bigint, NULL::bigint, 0::bigint, 0::bigint,
        0::bigint, NULL::bytea, 0::bigint
        FROM unnest(p_hold) WITH ORDINALITY AS k (hold, place)
        JOIN hold h ON h.unit = p_unit AND h.id = k.hold;
    SELECT EXISTS (SELECT 1 FROM unnest(p_hold, p_lossy) AS k (hold, lossy) WHERE k.lossy
        AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.unit = p_unit AND h.id = k.hold)) INTO loses;
    IF loses THEN
        -- The widest of all, and so the last that is locked.
        INSERT INTO account (unit, owner, name, rule, span, head)
            VALUES (p_unit, 'operator', p_loss_name, '', '', p_loss_head)
            ON CONFLICT (unit, owner, name, rule, span) DO NOTHING;
        RETURN QUERY SELECT 2, n, a.id, a.lim, a.paid, a.leased, a.seq, a.head, 0::bigint
            FROM account a WHERE a.unit = p_unit AND a.owner = 'operator' AND a.name = p_loss_name
                AND a.rule = '' AND a.span = ''
            FOR NO KEY UPDATE;
    END IF;
END $$;

-- Writes a change, in the transaction in which its rows were locked.
CREATE FUNCTION vault_write(
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
    INSERT INTO entry (account, seq, hold, kind, amount, hash, replica, epoch, at)
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
