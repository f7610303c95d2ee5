-- Where the three ledgers meet. An intent is open from its admission to its outcome.

CREATE TABLE intents (
	id text PRIMARY KEY,
	-- Of the process that forwards the call.
	stream text NOT NULL,
	call_id text NOT NULL,
	approval_id text,
	-- What is reserved for it: [{key, cost}]. Attempts are spent already and don't stand here.
	charges jsonb
);
CREATE INDEX intents_of_stream ON intents (stream);

-- One batch of a process: p_acts[n] says what p_events[n] does.
--   {act: "note"}                                   nothing but the event
--   {act: "admit", intent, charges?, claim?}        charges: [[place in p_budgets, cost, limit]…]; claim: {approvalId, sentDigest, definitionDigest}
--   {act: "settle", intent, fate, costs?, sealed?}  costs: {budget key: true cost}; sealed: base64, readable for p_replay_ms
--   {act: "recover", intent, fate}                  the same, but only where the process that intended it is dead
-- p_budgets: [{key, rule, unit, ceiling, ends_ms, is_attempt}…], each key once.
-- Answers [{word, …}…] in the order of p_acts. A refused admission burns nothing, and its event stands recorded with its word.
CREATE FUNCTION admit(p_stream text, p_number bigint, p_events jsonb, p_acts jsonb, p_budgets jsonb, p_replay_ms bigint)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	most CONSTANT bigint := 9007199254740991;
	closed jsonb;
	closed_ids text[];
	used bigint[];
	spending bigint[] := array_fill(0::bigint, ARRAY[jsonb_array_length(p_budgets)]);
	reserving bigint[] := spending;
	words text[] := '{}';
	answers jsonb := '[]';
	act jsonb;
	answer jsonb;
	charge jsonb;
	place int;
	approval approvals;
BEGIN
	-- Locks, in their order.
	PERFORM FROM intents WHERE id IN (SELECT a ->> 'intent' FROM jsonb_array_elements(p_acts) a WHERE a ->> 'act' IN ('settle', 'recover'))
	ORDER BY id FOR UPDATE;
	WITH gone AS (
		DELETE FROM intents i USING jsonb_array_elements(p_acts) a
		WHERE a ->> 'intent' = i.id AND (a ->> 'act' = 'settle' OR a ->> 'act' = 'recover'
			AND NOT EXISTS (SELECT FROM processes p WHERE p.id = i.stream AND p.lease_until > clock_timestamp()))
		RETURNING i.id, jsonb_build_object('intent', i.id, 'approval_id', i.approval_id, 'charges', i.charges,
			'fate', a -> 'fate', 'costs', a -> 'costs', 'sealed', a -> 'sealed') AS closing
	) SELECT array_agg(id), jsonb_agg(closing) INTO closed_ids, closed FROM gone;
	INSERT INTO budgets (key, rule, unit, ceiling, window_ends_at)
	SELECT key, rule, unit, ceiling, to_timestamp(ends_ms / 1000.0)
	FROM jsonb_to_recordset(p_budgets) AS (key text, rule text, unit text, ceiling bigint, ends_ms bigint) ORDER BY key
	ON CONFLICT (key) DO NOTHING;
	PERFORM FROM budgets WHERE key IN (
		SELECT value ->> 'key' FROM jsonb_array_elements(p_budgets)
		UNION ALL SELECT c.key FROM jsonb_to_recordset(closed) AS g (charges jsonb), jsonb_to_recordset(g.charges) AS c (key text)
	) ORDER BY key FOR UPDATE;
	PERFORM FROM approvals WHERE id IN (
		SELECT a -> 'claim' ->> 'approvalId' FROM jsonb_array_elements(p_acts) a
		UNION ALL SELECT g.approval_id FROM jsonb_to_recordset(closed) AS g (approval_id text)
	) ORDER BY id FOR UPDATE;

	-- What ended: reservations become spent or are given back, approvals become done, unknown, or approved again.
	UPDATE budgets b
	SET reserved = b.reserved - d.reserved, spent = least(b.spent + d.spent, most), overrun = least(b.overrun + d.overrun, most)
	FROM (
		SELECT c.key, sum(c.cost) AS reserved, sum(t.cost) AS spent, sum(greatest(t.cost - c.cost, 0)) AS overrun
		FROM jsonb_to_recordset(closed) AS g (fate text, costs jsonb, charges jsonb)
		CROSS JOIN jsonb_to_recordset(g.charges) AS c (key text, cost bigint)
		CROSS JOIN LATERAL (SELECT CASE g.fate WHEN 'not_sent' THEN 0 WHEN 'sent' THEN coalesce((g.costs ->> c.key)::bigint, c.cost) ELSE c.cost END AS cost) t
		GROUP BY c.key
	) d WHERE b.key = d.key;
	UPDATE approvals a
	SET state = CASE g.fate WHEN 'sent' THEN 'done' WHEN 'not_sent' THEN 'approved' ELSE 'outcome_unknown' END,
		sealed = decode(g.sealed, 'base64'),
		replay_until = CASE g.fate WHEN 'sent' THEN clock_timestamp() + p_replay_ms * interval '1 millisecond' END,
		charges = CASE g.fate WHEN 'unknown' THEN g.charges END
	FROM jsonb_to_recordset(closed) AS g (approval_id text, fate text, charges jsonb, sealed text)
	WHERE a.id = g.approval_id AND a.state = 'dispatched';
	PERFORM pg_notify('toolgate_approvals', g.approval_id)
	FROM jsonb_to_recordset(closed) AS g (approval_id text) WHERE g.approval_id IS NOT NULL;

	-- Who may go: all budgets of a call or none, then its approval, in the order in which the calls came.
	SELECT array_agg(b.spent + b.reserved ORDER BY x.n) INTO used
	FROM jsonb_array_elements(p_budgets) WITH ORDINALITY AS x (budget, n) JOIN budgets b ON b.key = x.budget ->> 'key';
	FOR act IN SELECT value FROM jsonb_array_elements(p_acts) WITH ORDINALITY ORDER BY ordinality LOOP
		IF act ->> 'act' = 'note' THEN
			answer := '{"word": ""}';
		ELSIF act ->> 'act' <> 'admit' THEN
			answer := CASE WHEN act ->> 'intent' = ANY (closed_ids) THEN '{"word": ""}' WHEN act ->> 'act' = 'settle' THEN '{"word": "late"}' ELSE '{"word": null}' END;
		ELSE
			answer := NULL;
			FOR n IN 0 .. coalesce(jsonb_array_length(act -> 'charges'), 0) - 1 LOOP
				charge := act -> 'charges' -> n;
				place := (charge ->> 0)::int + 1;
				IF used[place] + (charge ->> 1)::bigint > (charge ->> 2)::bigint THEN
					answer := jsonb_build_object('word', 'budgetExceeded', 'charge', n, 'used', used[place]);
					EXIT;
				END IF;
			END LOOP;
			IF answer IS NULL AND act ? 'claim' THEN
				UPDATE approvals SET state = 'dispatched'
				WHERE id = act -> 'claim' ->> 'approvalId' AND state = 'approved' AND expires_at > clock_timestamp()
					AND sent_digest = act -> 'claim' ->> 'sentDigest' AND definition_digest = act -> 'claim' ->> 'definitionDigest';
				IF NOT FOUND THEN
					SELECT * INTO approval FROM approvals WHERE id = act -> 'claim' ->> 'approvalId';
					answer := jsonb_build_object('word', 'unclaimable',
						'state', CASE WHEN approval.state IN ('pending', 'approved') AND approval.expires_at <= clock_timestamp() THEN 'expired' ELSE approval.state END,
						'is_sent_equal', approval.sent_digest = act -> 'claim' ->> 'sentDigest',
						'is_definition_equal', approval.definition_digest = act -> 'claim' ->> 'definitionDigest');
				END IF;
			END IF;
			IF answer IS NULL THEN
				answer := '{"word": "granted"}';
				FOR n IN 0 .. coalesce(jsonb_array_length(act -> 'charges'), 0) - 1 LOOP
					charge := act -> 'charges' -> n;
					place := (charge ->> 0)::int + 1;
					used[place] := used[place] + (charge ->> 1)::bigint;
					IF (p_budgets -> (place - 1) ->> 'is_attempt')::boolean THEN
						spending[place] := spending[place] + (charge ->> 1)::bigint;
					ELSE
						reserving[place] := reserving[place] + (charge ->> 1)::bigint;
					END IF;
				END LOOP;
			END IF;
		END IF;
		words := words || (answer ->> 'word');
		answers := answers || answer;
	END LOOP;
	UPDATE budgets b
	SET spent = b.spent + spending[x.n], reserved = b.reserved + reserving[x.n], ceiling = (x.budget ->> 'ceiling')::bigint,
		window_ends_at = greatest(b.window_ends_at, to_timestamp((x.budget ->> 'ends_ms')::bigint / 1000.0))
	FROM jsonb_array_elements(p_budgets) WITH ORDINALITY AS x (budget, n) WHERE b.key = x.budget ->> 'key';
	INSERT INTO intents
	SELECT a ->> 'intent', p_stream, p_events -> (n::int - 1) ->> 'call_id', a -> 'claim' ->> 'approvalId', (
		SELECT jsonb_agg(jsonb_build_object('key', p_budgets -> (c ->> 0)::int ->> 'key', 'cost', c -> 1))
		FROM jsonb_array_elements(a -> 'charges') c WHERE NOT (p_budgets -> (c ->> 0)::int ->> 'is_attempt')::boolean
	)
	FROM jsonb_array_elements(p_acts) WITH ORDINALITY AS x (a, n) WHERE words[n] = 'granted';

	UPDATE streams SET batch = p_number WHERE id = p_stream AND batch = p_number - 1;
	IF NOT FOUND THEN
		RAISE 'batch % of stream % comes out of turn', p_number, p_stream USING ERRCODE = 'TG001';
	END IF;
	PERFORM append_events(p_stream, p_events, words);
	RETURN answers;
END $$;
