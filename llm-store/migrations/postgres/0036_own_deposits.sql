-- What somebody has left is sealed under their own key from now on: with it, it is forgotten, in copies
-- as well. What was left before stays as it was sealed; 1 is under their own.
ALTER TABLE deposit ADD COLUMN own bigint NOT NULL DEFAULT 0 CHECK (own IN (0, 1));
ALTER TABLE deposit_piece ADD COLUMN own bigint NOT NULL DEFAULT 0 CHECK (own IN (0, 1));
ALTER TABLE batch_line ADD COLUMN own bigint NOT NULL DEFAULT 0 CHECK (own IN (0, 1));
