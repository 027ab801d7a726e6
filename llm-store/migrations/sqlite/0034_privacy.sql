-- Jobs of a key that is nobody's in particular, which its holder lists.

CREATE INDEX job_key ON job (tenant, virtual_key, id) WHERE person IS NULL;
