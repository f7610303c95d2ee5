-- Approvers see the recorded arguments; where those differ from what will be sent, they are told so.

-- JSON Pointers into the arguments.
ALTER TABLE approvals ADD COLUMN record_only jsonb NOT NULL DEFAULT '[]';

-- 'opened' with its event, or 'exists' (an identical one is open) or 'capped' (too many of this principal are pending) without.
CREATE OR REPLACE FUNCTION open_approval(p_stream text, p_event jsonb, p_approval jsonb, p_ttl_ms bigint, p_max_open int) RETURNS text LANGUAGE plpgsql AS $$
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
		sent_digest, recorded, reasons, requirements, call_id, decision_id, bundle_revision, record_only, expires_at)
	VALUES (a.id, 'pending', a.identity, a.principal, a.agent, a.session, a.turn, a.upstream, a.tool, a.definition_digest,
		a.arguments_digest, a.sent_digest, a.recorded, a.reasons, a.requirements, a.call_id, a.decision_id, a.bundle_revision, coalesce(a.record_only, '[]'),
		clock_timestamp() + p_ttl_ms * interval '1 millisecond')
	ON CONFLICT (identity) WHERE state IN ('pending', 'approved', 'dispatched', 'outcome_unknown') DO NOTHING;
	IF NOT FOUND THEN
		RETURN 'exists';
	END IF;
	PERFORM append_event(p_stream, p_event);
	PERFORM pg_notify('toolgate_approvals', a.id);
	RETURN 'opened';
END $$;
