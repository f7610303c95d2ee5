-- The audit trail: one stream per writing process, each event chained to the one before it.
-- Order of locks in every transaction: intents by id, budgets by key, approvals by id, and the head of the own stream last.

CREATE TABLE streams (
	-- The id of the process that writes it.
	id text PRIMARY KEY,
	sequence bigint NOT NULL DEFAULT 0,
	hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
	-- The number of the last admission batch, committed or given up (then it stands in both): one that arrives late is refused by it.
	batch bigint NOT NULL DEFAULT 0,
	given_up bigint NOT NULL DEFAULT 0
);

CREATE TABLE events (
	stream text NOT NULL,
	sequence bigint NOT NULL,
	-- For searching: each column says what the body says, shortened where it is long.
	id text NOT NULL,
	kind text NOT NULL,
	time_ms bigint NOT NULL,
	call_id text,
	decision_id text,
	intent_id text,
	approval_id text,
	principal text,
	agent text,
	session text,
	turn text,
	server text,
	tool text,
	decision text,
	outcome text,
	rule text,
	-- What admission made of an intent; 'late' for an outcome that came after its intent had been closed; else empty.
	admission text NOT NULL,
	-- Canonical JSON, and its SHA-256.
	body text NOT NULL,
	digest bytea NOT NULL,
	-- SHA-256(hash before || digest || admission)
	hash bytea NOT NULL,
	PRIMARY KEY (stream, sequence)
);
CREATE INDEX events_by_time ON events (time_ms, stream, sequence);
CREATE INDEX events_of_call ON events (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX events_of_principal ON events (principal, time_ms);
CREATE INDEX events_of_agent ON events (agent, time_ms);

-- Appends events to the chain, each with its admission word; one whose word is null is left out.
CREATE FUNCTION append_events(p_stream text, p_events jsonb, p_words text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	head streams;
	places bigint[] := '{}';
	hashes bytea[] := '{}';
BEGIN
	SELECT * INTO STRICT head FROM streams WHERE id = p_stream FOR UPDATE;
	FOR n IN 1 .. cardinality(p_words) LOOP
		IF p_words[n] IS NOT NULL THEN
			head.sequence := head.sequence + 1;
			head.hash := sha256(head.hash || decode(p_events -> (n - 1) ->> 'digest', 'hex') || convert_to(p_words[n], 'UTF8'));
		END IF;
		places[n] := head.sequence;
		hashes[n] := head.hash;
	END LOOP;
	INSERT INTO events
	SELECT p_stream, places[e.n], e.id, e.kind, e.time_ms, e.call_id, e.decision_id, e.intent_id, e.approval_id, e.principal, e.agent, e.session,
		e.turn, e.server, e.tool, e.decision, e.outcome, e.rule, p_words[e.n], e.body, decode(e.digest, 'hex'), hashes[e.n]
	FROM ROWS FROM (jsonb_to_recordset(p_events) AS (id text, kind text, time_ms bigint, call_id text, decision_id text, intent_id text,
		approval_id text, principal text, agent text, session text, turn text, server text, tool text, decision text, outcome text, rule text,
		body text, digest text)) WITH ORDINALITY AS e (id, kind, time_ms, call_id, decision_id, intent_id, approval_id, principal, agent, session,
		turn, server, tool, decision, outcome, rule, body, digest, n)
	WHERE p_words[e.n] IS NOT NULL;
	UPDATE streams SET sequence = head.sequence, hash = head.hash WHERE id = p_stream;
	PERFORM pg_notify('toolgate_trail', p_stream);
END $$;

-- Appends one event that admission has no word for.
CREATE FUNCTION append_event(p_stream text, p_event jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT append_events(p_stream, jsonb_build_array(p_event), ARRAY[''])
$$;
