import { randomUUID } from 'node:crypto';
import t from 'tap';
import { eachStore } from '../../test/stores.ts';
import type { TrailEvent } from '../domain.ts';
import { aCharge, anAdmission, anEvent, aProcess, aRequest } from '../ledger-fixture.ts';
import { eventLine } from './lines.ts';
import type { AdmissionWord, RecordedEvent } from './recorded-event.ts';
import { traceOf, traceWords } from './trace.ts';
import { createTrail } from './trail.ts';

t.test('events are found by every field, page by page, while others arrive', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const trail = createTrail(process.sql);
		const wanted = anEvent({
			kind: 'refusal',
			session: 's1',
			turn: 't1',
			server: 'files',
			tool: 'read_file',
			decision: 'deny',
			outcome: 'policy_error',
			rule: 'files.secret',
			principal: 'carol@example.com',
			agent: 'reader',
			decisionId: randomUUID(),
			timeMs: 5_000,
			message: 'a "quoted" 100% sure_thing\nwith ünïcode',
		});
		await admission.refuse(wanted);
		for (let n = 0; n < 20; n++) await admission.refuse(anEvent({ timeMs: 1_000 + n, kind: 'refusal', decision: 'deny' }));

		const { intentId: _, version: _v, id: _i, timeMs: _t, message: _m, ...fields } = wanted;
		const only = async (filter: object) => (await trail.search(filter, { limit: 10 })).events.map(({ id }) => id);
		for (const [name, value] of Object.entries(fields)) {
			if (name === 'kind' || name === 'decision') continue;
			t.same(await only({ [name]: value }), [wanted.id], name);
			t.same(await only({ [name]: `${String(value)}x` }), [], `not ${name}`);
		}
		t.same(await only({ text: 'A "QUOTED" 100% sure_thing\nWITH ünï' }), [wanted.id]);
		t.same(await only({ text: 'sureXthing' }), [], 'no wildcards in a text');
		t.same(await only({ sinceMs: 5_000, untilMs: 5_001, kind: 'refusal', decision: 'deny' }), [wanted.id]);
		t.same(await only({ sinceMs: 5_001 }), []);

		const seen: string[] = [];
		let cursor: string | undefined;
		for (;;) {
			const page: { events: RecordedEvent[]; next?: string } = await trail.search(
				{ untilMs: 2_000 },
				{ limit: 7, ...(cursor === undefined ? {} : { cursor }) },
			);
			seen.push(...page.events.map(({ id }) => id));
			await admission.refuse(anEvent({ timeMs: 1_500, kind: 'refusal' }));
			if ((cursor = page.next) === undefined) break;
		}
		t.equal(new Set(seen).size, 20);
		t.equal(seen.length, 20);
		await t.rejects(trail.search({}, { limit: 1, cursor: 'nonsense' }), { code: 'BAD_INPUT', message: /cursor/ });
	}),
);

t.test('what admission refused is found as budgetExceeded, not as allow', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const trail = createTrail(process.sql);
		const [first, second] = [aRequest([aCharge({ limit: 1 })]), aRequest([aCharge({ limit: 1 })])];
		await admission.admit(first);
		await admission.admit(second);
		t.match((await trail.search({ decision: 'budgetExceeded' }, { limit: 9 })).events, [
			{ id: second.event.id, admission: 'budgetExceeded' },
		]);
		t.match((await trail.search({ decision: 'allow' }, { limit: 9 })).events, [{ id: first.event.id }]);
		t.same(traceWords(await trail.call(second.event.callId!)), ['budgetExceeded']);
	}),
);

t.test('a tail begins with the last events and tells each new one of every process once, as it is written', (t) =>
	eachStore(t, async (t, database) => {
		const [one, two] = [await aProcess(database), await aProcess(database)];
		const writers = [await anAdmission(t, one), await anAdmission(t, two)];
		const earlier = [
			anEvent({ kind: 'refusal', timeMs: 1 }),
			anEvent({ kind: 'refusal', timeMs: 2 }),
			anEvent({ kind: 'refusal', timeMs: 3 }),
		];
		for (const event of earlier) await writers[0]!.refuse(event);
		const stop = new AbortController();
		const tail = createTrail(one.sql).tail({ kind: 'refusal' }, { last: 2, signal: stop.signal })[Symbol.asyncIterator]();
		const next = async () => ((await tail.next()).value as RecordedEvent).id;
		t.equal(await next(), earlier[1]!.id);
		t.equal(await next(), earlier[2]!.id);
		const told: string[] = [];
		const written: string[] = [];
		for (let n = 0; n < 30; n++) {
			const event = anEvent({ kind: n % 3 === 0 ? 'gap' : 'refusal' });
			if (event.kind === 'refusal') written.push(event.id);
			const [, id] = await Promise.all([writers[n % 2]!.refuse(event), event.kind === 'refusal' ? next() : undefined]);
			if (id !== undefined) told.push(id);
		}
		t.same(told, written);
		const ended = tail.next();
		stop.abort();
		t.equal((await ended).done, true);
	}),
);

t.test('the chain is verified, and every way of tampering in the database is found at the first bad event', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const { sql, stream } = process;
		for (let n = 1; n <= 6; n++) {
			if (n === 3) await admission.admit(aRequest([aCharge({ limit: 0 })]));
			else await admission.refuse(anEvent({ kind: 'refusal', message: `event ${n}` }));
		}
		const trail = createTrail(sql);
		t.match(await trail.verify(), {
			isIntact: true,
			streams: 1,
			events: 6,
			durability: sql.driver === 'pg' ? /PostgreSQL/ : /power failure/,
		});
		const backup = await sql.query<{ all: string }>(`SELECT json_agg(e)::text AS all FROM events e`, []);
		const [head] = await sql.query<{ all: string }>(`SELECT json_agg(s)::text AS all FROM streams s`, []);
		const tampering: [string, string, RegExp][] = [
			['a body', `UPDATE events SET body = replace(body, 'event 2', 'event X') WHERE sequence = 2`, /event 2: its hash/],
			['a body and its digest', `UPDATE events SET body = '{}', digest = sha256('{}') WHERE sequence = 4`, /event 4: its hash/],
			['a digest', `UPDATE events SET digest = sha256('') WHERE sequence = 4`, /event 4: its digest/],
			['an admission word', `UPDATE events SET admission = 'granted' WHERE sequence = 3`, /event 3: its hash/],
			['a hash', `UPDATE events SET hash = sha256('') WHERE sequence = 5`, /event 5: its hash/],
			['a column', `UPDATE events SET principal = 'mallory@example.com' WHERE sequence = 4`, /event 4: one of its columns/],
			['a deletion', 'DELETE FROM events WHERE sequence = 4', /event 4: missing; event 5 stands/],
			['a cut tail', 'DELETE FROM events WHERE sequence > 4', /event 5: missing; the stream's head says 6/],
			['a cut tail and head', 'UPDATE streams SET sequence = 4', /event 4: its hash is not the one of the stream's head/],
			[
				'an insertion',
				`INSERT INTO events SELECT month, stream, 7, id, kind, time_ms, call_id, decision_id, intent_id, approval_id, principal, agent, session, turn, server, tool, decision, outcome, rule, admission, body, digest, hash FROM events WHERE sequence = 6`,
				/event 7: it lies beyond/,
			],
			['a swap', 'UPDATE events SET sequence = CASE sequence WHEN 4 THEN -5 ELSE -4 END WHERE sequence IN (4, 5)', /event 4: missing/],
			['a stream', `DELETE FROM streams`, /event 1: it lies beyond the stream's head/],
		];
		for (const [what, statement, problem] of tampering) {
			await sql.query(statement, []);
			if (what === 'a swap') await sql.query('UPDATE events SET sequence = -sequence WHERE sequence < 0', []);
			const report = await trail.verify();
			t.match(report, { isIntact: false, problem: what === 'a swap' ? /event 4: its hash/ : problem }, what);
			t.match(report.problem, new RegExp(stream));
			await sql.query('DELETE FROM events', []);
			await sql.query('DELETE FROM streams', []);
			await sql.query('INSERT INTO events SELECT * FROM json_populate_recordset(NULL::events, $1::json)', [backup[0]!.all]);
			await sql.query('INSERT INTO streams SELECT * FROM json_populate_recordset(NULL::streams, $1::json)', [head!.all]);
		}
		t.equal((await trail.verify()).isIntact, true);
	}),
);

const recorded = (fields: Partial<TrailEvent>, admission: AdmissionWord = ''): RecordedEvent => ({
	...anEvent(fields),
	stream: 's',
	sequence: 1,
	admission,
	hash: '',
});

t.test('the words of a call: the first decision, then what followed, ok only after an approval', async (t) => {
	const decision = recorded({ kind: 'decision', decision: 'approvalRequired' });
	const approved = recorded({ kind: 'approval', decision: undefined as never, outcome: 'approved' });
	const intent = recorded({ kind: 'intent', decision: 'allow', approvalId: 'a' }, 'granted');
	const unclaimed = recorded({ kind: 'intent', decision: 'allow', approvalId: 'a' }, 'unclaimable');
	const ok = recorded({ kind: 'outcome', outcome: 'ok' });
	const refusal = (outcome: TrailEvent['outcome']) => recorded({ kind: 'refusal', decision: 'approvalRequired', outcome: outcome! });
	const cases: [string, RecordedEvent[]][] = [
		['allow', [recorded({ kind: 'intent', decision: 'allow' }, 'granted'), ok]],
		['allow → upstream_error', [recorded({ kind: 'intent' }, 'granted'), recorded({ kind: 'outcome', outcome: 'upstream_error' })]],
		['budgetExceeded', [recorded({ kind: 'intent' }, 'budgetExceeded')]],
		['deny', [recorded({ kind: 'refusal', decision: 'deny' })]],
		['unknown_tool', [recorded({ kind: 'refusal', decision: undefined as never, outcome: 'unknown_tool' })]],
		['approvalRequired → approved → ok', [decision, approved, intent, ok]],
		['approvalRequired → approved → ok', [decision, intent, ok]],
		['approvalRequired → approved → budgetExceeded', [decision, approved, recorded({ kind: 'intent', approvalId: 'a' }, 'budgetExceeded')]],
		['approvalRequired → approved → deny', [decision, approved, recorded({ kind: 'refusal', decision: 'deny' })]],
		['approvalRequired → approved → approvalRequired', [decision, approved, refusal('approvalRequired')]],
		[
			'approvalRequired → expired',
			[decision, recorded({ kind: 'approval', decision: undefined as never, outcome: 'expired' }), refusal('expired')],
		],
		['approvalRequired → rejected', [decision, refusal('rejected')]],
		['approvalRequired → approval_pending', [decision, refusal('approval_pending'), approved]],
		['approvalRequired → approved → replayed', [decision, approved, unclaimed, decision, refusal('replayed')]],
		['approvalRequired → approved → approvalRequired', [decision, approved, unclaimed]],
		['approvalRequired → replayed', [decision, refusal('replayed')]],
		[
			'allow → outcome_unknown',
			[
				recorded({ kind: 'intent' }, 'granted'),
				recorded({ kind: 'outcome', outcome: 'outcome_unknown' }),
				recorded({ kind: 'outcome', outcome: 'tool_error' }, 'late'),
			],
		],
	];
	for (const [words, events] of cases) t.equal(traceWords(events).join(' → '), words);
	t.match(
		traceOf([recorded({ kind: 'intent' }, 'granted'), ok]),
		{ decision: 'allow', then: 'ok' },
		'the last word is known where it is not shown',
	);
});

t.test('one readable line per event, foreign text made safe', async (t) => {
	const now = new Date(2026, 10, 24, 12, 0, 0).getTime();
	const line = (event: RecordedEvent) =>
		eventLine(event, { paint: (word) => `<${word}>`, safe: (text) => text.replaceAll('\n', '\\n') }, now);
	const call = { callId: '1234567890', timeMs: now };
	t.equal(
		line(recorded({ ...call, kind: 'decision', decision: 'approvalRequired', rule: 'payments.refund', message: 'a\nb' })),
		'12:00:00  create_refund           <approvalRequired>  alice@example.com / billing-bot  payments.refund: a\\nb  call 12345678',
	);
	t.match(
		line(
			recorded({
				...call,
				kind: 'approval',
				decision: undefined as never,
				outcome: 'approved',
				detail: { by: 'bob@example.com', via: 'lark' },
			}),
		),
		/<approved> .* by bob@example.com \(lark\) {2}call 12345678$/,
	);
	t.match(
		line(
			recorded({
				...call,
				kind: 'approval',
				decision: undefined as never,
				detail: { attempt: 'approve', by: 'eve', refused: 'not among' },
			}),
		),
		/<approve> .*refused: not among/,
	);
	t.match(line(recorded({ ...call, kind: 'intent' }, 'budgetExceeded')), /<budgetExceeded>/);
	t.match(line(recorded({ ...call, kind: 'intent' }, 'granted')), /<allow>/);
	t.match(
		line(recorded({ ...call, kind: 'outcome', decision: undefined as never, outcome: 'ok', detail: { durationMs: 12 } })),
		/<ok> .*12 ms/,
	);
	t.match(
		line(recorded({ kind: 'gap', timeMs: now - 86_400_000, tool: undefined as never, decision: undefined as never })),
		/^2026-11-23 12:00:00 {2}gap /,
	);
});
