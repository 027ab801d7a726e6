-- What was sold to whoever asked, by its name, which says how long the row is kept; and what the call
-- cost in credits, where it cost any.
ALTER TABLE request ADD COLUMN plan text;
ALTER TABLE request ADD COLUMN credits bigint;

-- Up to when the rows of a plan were looked through for such as are kept no longer, so that none is
-- looked at twice. The empty name is all plans that say nothing.
CREATE TABLE request_pruned (
    plan text PRIMARY KEY,
    upto bigint NOT NULL
);

-- Until when a process has the turn to do so.
ALTER TABLE request_state ADD COLUMN turn bigint NOT NULL DEFAULT 0;
