-- One row per approval; every transition is conditional on the state, and appends its event in the same transaction.

CREATE TABLE approvals (
	id text PRIMARY KEY,
	state text NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn', 'dispatched', 'done', 'outcome_unknown')),
	-- Digest of principal, agent, upstream, tool and arguments: what makes two calls identical.
	identity text NOT NULL,
	principal text NOT NULL,
	agent text NOT NULL,
	session text,
	turn text,
	upstream text NOT NULL,
	tool text NOT NULL,
	definition_digest text NOT NULL,
	arguments_digest text NOT NULL,
	sent_digest text NOT NULL,
	-- The arguments as recorded: canonical JSON, as approvers see them.
	recorded text NOT NULL,
	reasons jsonb NOT NULL,
	requirements jsonb NOT NULL,
	-- What people said, in order; `revision` counts them, so that a vote is judged on what it saw.
	votes jsonb NOT NULL DEFAULT '[]',
	revision int NOT NULL DEFAULT 0,
	call_id text NOT NULL,
	decision_id text NOT NULL,
	bundle_revision text NOT NULL,
	requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at timestamptz NOT NULL,
	-- The last word on it: who, when and why.
	decided_at timestamptz,
	decided_by text,
	decided_reason text,
	-- The result for an identical call, sealed; readable until `replay_until`.
	sealed bytea,
	replay_until timestamptz,
	-- Reservations of an unknown outcome: [{key, cost}], given back when it is resolved as not run.
	charges jsonb
);
CREATE UNIQUE INDEX one_open_approval ON approvals (identity) WHERE state IN ('pending', 'approved', 'dispatched', 'outcome_unknown');
CREATE INDEX approvals_replayable ON approvals (identity, replay_until) WHERE state = 'done';
CREATE INDEX approvals_open ON approvals (principal, expires_at) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_sealed ON approvals (replay_until) WHERE sealed IS NOT NULL;
CREATE INDEX approvals_by_request ON approvals (requested_at);

-- 'opened' with its event, or 'exists' (an identical one is open) or 'capped' (too many of this principal are pending) without.
CREATE FUNCTION open_approval(p_stream text, p_event jsonb, p_approval jsonb, p_ttl_ms bigint, p_max_open int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	a approvals := jsonb_populate_record(NULL::approvals, p_approval);
BEGIN
	-- Serialises the requests of one principal, so that the cap is exact.
	PERFORM pg_advisory_xact_lock(hashtextextended(a.principal, 0));
	IF (SELECT count(*) FROM approvals o WHERE o.principal = a.principal AND o.state = 'pending' AND o.expires_at > clock_timestamp()
		AND o.identity <> a.identity) >= p_max_open THEN
		RETURN 'capped';
	END IF;
	INSERT INTO approvals (id, state, identity, principal, agent, session, turn, upstream, tool, definition_digest, arguments_digest,
		sent_digest, recorded, reasons, requirements, call_id, decision_id, bundle_revision, expires_at)
	VALUES (a.id, 'pending', a.identity, a.principal, a.agent, a.session, a.turn, a.upstream, a.tool, a.definition_digest,
		a.arguments_digest, a.sent_digest, a.recorded, a.reasons, a.requirements, a.call_id, a.decision_id, a.bundle_revision,
		clock_timestamp() + p_ttl_ms * interval '1 millisecond')
	ON CONFLICT (identity) WHERE state IN ('pending', 'approved', 'dispatched', 'outcome_unknown') DO NOTHING;
	IF NOT FOUND THEN
		RETURN 'exists';
	END IF;
	PERFORM append_event(p_stream, p_event);
	PERFORM pg_notify('toolgate_approvals', a.id);
	RETURN 'opened';
END $$;

-- A person says what became of an unknown outcome; true when it took effect. Not run: the reservations are given back.
CREATE FUNCTION resolve_approval(p_stream text, p_event jsonb, p_id text, p_has_run boolean, p_by text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	owed jsonb := (SELECT charges FROM approvals WHERE id = p_id);
BEGIN
	PERFORM FROM budgets WHERE key IN (SELECT value ->> 'key' FROM jsonb_array_elements(owed)) ORDER BY key FOR UPDATE;
	UPDATE approvals SET state = 'done', decided_at = clock_timestamp(), decided_by = p_by, decided_reason = CASE WHEN p_has_run THEN 'ran' ELSE 'did not run' END
	WHERE id = p_id AND state = 'outcome_unknown';
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF NOT p_has_run THEN
		UPDATE budgets b SET spent = greatest(b.spent - c.cost, 0)
		FROM jsonb_to_recordset(owed) AS c (key text, cost bigint) WHERE b.key = c.key;
	END IF;
	PERFORM append_event(p_stream, p_event);
	PERFORM pg_notify('toolgate_approvals', p_id);
	RETURN true;
END $$;
