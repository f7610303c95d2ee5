-- The trail by months, so that retention takes one away as a whole. The month is that of the writing, on this database's clock, and never falls
-- within a stream: what is taken away is always the beginning of it.

CREATE FUNCTION month_of(p_at timestamptz) RETURNS int LANGUAGE sql STABLE AS $$
	SELECT (extract(year FROM p_at AT TIME ZONE 'UTC') * 100 + extract(month FROM p_at AT TIME ZONE 'UTC'))::int
$$;

ALTER TABLE streams ADD COLUMN month int NOT NULL DEFAULT 0;
ALTER TABLE events DROP CONSTRAINT events_pkey;
DROP INDEX events_by_time, events_of_call, events_of_principal, events_of_agent;
ALTER TABLE events RENAME TO events_before;

CREATE TABLE events (
	-- 202611
	month int NOT NULL,
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
	-- A partitioned table can't do without the month here; the head of the stream gives each sequence once.
	PRIMARY KEY (stream, sequence, month)
) PARTITION BY LIST (month);
CREATE INDEX events_by_time ON events (time_ms, stream, sequence);
CREATE INDEX events_of_call ON events (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX events_of_decision ON events (decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX events_of_principal ON events (principal, time_ms) WHERE principal IS NOT NULL;
CREATE INDEX events_of_agent ON events (agent, time_ms) WHERE agent IS NOT NULL;
CREATE INDEX events_of_session ON events (session, time_ms) WHERE session IS NOT NULL;
CREATE INDEX events_of_turn ON events (turn, time_ms) WHERE turn IS NOT NULL;
CREATE INDEX events_of_server ON events (server, time_ms) WHERE server IS NOT NULL;
CREATE INDEX events_of_tool ON events (tool, time_ms) WHERE tool IS NOT NULL;
CREATE INDEX events_of_rule ON events (rule, time_ms) WHERE rule IS NOT NULL;
-- What most events say is found by time; the rest by these.
CREATE INDEX events_of_rare_kind ON events (kind, time_ms) WHERE kind <> 'intent' AND kind <> 'outcome';
CREATE INDEX events_of_rare_decision ON events (decision, time_ms) WHERE decision <> 'allow';
CREATE INDEX events_of_rare_outcome ON events (outcome, time_ms) WHERE outcome <> 'ok';
CREATE INDEX events_of_rare_admission ON events (admission, time_ms) WHERE admission <> '' AND admission <> 'granted';

-- Makes the partition of a month where it isn't there. Writers go on meanwhile.
CREATE FUNCTION ensure_month(p_month int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text := 'events_' || p_month;
BEGIN
	IF to_regclass(name) IS NOT NULL THEN
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('toolgate: a month of the trail', 0));
	IF to_regclass(name) IS NULL THEN
		-- Attached, not created as a partition: that would lock the writers out.
		EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
		EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES IN (%s)', name, p_month);
	END IF;
END $$;

-- What was written before there were months.
CREATE TEMPORARY TABLE months_before ON COMMIT DROP AS
SELECT stream, sequence, max(month_of(to_timestamp(time_ms / 1000.0))) OVER (PARTITION BY stream ORDER BY sequence) AS month FROM events_before;
SELECT ensure_month(month) FROM (SELECT DISTINCT month FROM months_before) AS m;
INSERT INTO events
SELECT m.month, b.* FROM events_before b JOIN months_before m ON m.stream = b.stream AND m.sequence = b.sequence;
UPDATE streams s SET month = m.month FROM (SELECT stream, max(month) AS month FROM months_before GROUP BY stream) AS m WHERE m.stream = s.id;
DROP TABLE events_before;
SELECT ensure_month(month_of(clock_timestamp()));

CREATE OR REPLACE FUNCTION append_events(p_stream text, p_events jsonb, p_words text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	head streams;
	this_month int := month_of(clock_timestamp());
	places bigint[] := '{}';
	hashes bytea[] := '{}';
BEGIN
	SELECT * INTO STRICT head FROM streams WHERE id = p_stream FOR UPDATE;
	IF this_month > head.month THEN
		head.month := this_month;
		PERFORM ensure_month(this_month);
	END IF;
	FOR n IN 1 .. cardinality(p_words) LOOP
		IF p_words[n] IS NOT NULL THEN
			head.sequence := head.sequence + 1;
			head.hash := sha256(head.hash || decode(p_events -> (n - 1) ->> 'digest', 'hex') || convert_to(p_words[n], 'UTF8'));
		END IF;
		places[n] := head.sequence;
		hashes[n] := head.hash;
	END LOOP;
	INSERT INTO events
	SELECT head.month, p_stream, places[e.n], e.id, e.kind, e.time_ms, e.call_id, e.decision_id, e.intent_id, e.approval_id, e.principal, e.agent,
		e.session, e.turn, e.server, e.tool, e.decision, e.outcome, e.rule, p_words[e.n], e.body, decode(e.digest, 'hex'), hashes[e.n]
	FROM ROWS FROM (jsonb_to_recordset(p_events) AS (id text, kind text, time_ms bigint, call_id text, decision_id text, intent_id text,
		approval_id text, principal text, agent text, session text, turn text, server text, tool text, decision text, outcome text, rule text,
		body text, digest text)) WITH ORDINALITY AS e (id, kind, time_ms, call_id, decision_id, intent_id, approval_id, principal, agent, session,
		turn, server, tool, decision, outcome, rule, body, digest, n)
	WHERE p_words[e.n] IS NOT NULL;
	UPDATE streams SET sequence = head.sequence, hash = head.hash, month = head.month WHERE id = p_stream;
	PERFORM pg_notify('toolgate_trail', p_stream);
END $$;
