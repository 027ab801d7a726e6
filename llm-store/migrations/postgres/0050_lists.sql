-- Lists that are short, however much there is beside what they show.

-- In which spans of time (ten seconds, counted since 1970) a subject has calls: a page of somebody's
-- calls reads those spans and passes over the rest of the log. It is written with a subject's first
-- call in each span. An index of the log by subject would be written all over with every call.
CREATE TABLE request_span (
    span BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    PRIMARY KEY (span, subject)
);

CREATE INDEX request_span_subject ON request_span (subject, span);

INSERT INTO request_span (span, subject)
SELECT DISTINCT at / 10000000, subject FROM request;

CREATE INDEX request_subject_model ON request_subject (model);

-- Jobs of somebody in a state, and of a kind.
CREATE INDEX job_person_state ON job (tenant, person, state, id) WHERE person IS NOT NULL;
CREATE INDEX job_person_kind ON job (tenant, person, kind, state, id) WHERE person IS NOT NULL;
CREATE INDEX job_key_state ON job (tenant, virtual_key, state, id) WHERE person IS NULL;
CREATE INDEX job_key_kind ON job (tenant, virtual_key, kind, state, id) WHERE person IS NULL;

-- What somebody did to somebody.
CREATE INDEX audit_about_who ON audit (about, who, seq);

-- What is there, past all that is gone and keeps its name.
CREATE INDEX deposit_there ON deposit (owner, kind, seq) WHERE state = 'there';

-- Keys that were not replaced.
CREATE INDEX virtual_key_tenant_head ON virtual_key (tenant, id) WHERE replaced_by IS NULL;
CREATE INDEX virtual_key_owner_head ON virtual_key (tenant, person, id)
    WHERE replaced_by IS NULL AND person IS NOT NULL;
CREATE INDEX virtual_key_team_head ON virtual_key (tenant, team, id)
    WHERE replaced_by IS NULL AND team IS NOT NULL;
CREATE INDEX virtual_key_org_head ON virtual_key (tenant, org, id)
    WHERE replaced_by IS NULL AND org IS NOT NULL;
-- And somebody's within a team.
CREATE INDEX virtual_key_both ON virtual_key (tenant, person, team, id)
    WHERE person IS NOT NULL AND team IS NOT NULL;

-- Lines of a wallet of a kind, by when they were written; with what a month adds up. Who asks for
-- some time asks for it of each kind. The kind is written so that no step of a wallet, which names a
-- kind and looks for one line of it, is taken here instead of to its own index.
DROP INDEX wallet_entry_at;
CREATE INDEX wallet_entry_kind ON wallet_entry (wallet, (kind || ''), at, seq, rest, spent);
