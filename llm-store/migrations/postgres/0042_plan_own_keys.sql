-- What a stored plan says of callers' own keys of providers: nothing (NULL), which leaves it to whoever
-- runs the gateway; and whether calls that bring one are charged as all others are.
ALTER TABLE plan ADD COLUMN own_keys TEXT CHECK (own_keys IN ('off', 'allowed', 'required'));
ALTER TABLE plan ADD COLUMN own_keys_charged BIGINT NOT NULL DEFAULT 0 CHECK (own_keys_charged IN (0, 1));
