import t, { type Test } from 'tap';
import { secondVerifier } from '../../test/second-verifier.ts';
import { eachStore, onServer } from '../../test/stores.ts';
import { anAdmission, anEvent, aProcess, aRequest, aSettlement, conceal, keys } from '../ledger-fixture.ts';
import { eventRow } from '../store/event-row.ts';
import { migrate, readMigrations } from '../store/migrate.ts';
import type { Sql, SqlParameter } from '../store/sql.ts';
import { checkpointSigner } from './checkpoint.ts';
import { createCheckpoints } from './checkpoints.ts';
import { exportTrail } from './export.ts';
import { createRetention, type RetentionOptions } from './retention.ts';
import { createTrail } from './trail.ts';
import { verifyExport } from './verify-export.ts';

const signer = checkpointSigner(keys.checkpointSeed);

function started(t: Test, { sql, stream }: { sql: Sql; stream: string }, options: Partial<RetentionOptions> = {}) {
	const news: string[] = [];
	const common = {
		sql,
		stream: () => stream,
		signer,
		conceal,
		onNews: (text: string) => news.push(text),
		onFault: (error: unknown) => t.fail(String(error)),
		everyMs: 3_600_000,
	};
	const retention = createRetention({ ...common, months: 2, hasSink: false, ...options });
	const checkpoints = createCheckpoints(common);
	t.teardown(async () => {
		retention.close();
		await checkpoints.close();
	});
	return { retention, checkpoints, news };
}

/** What has been written so far, as if it had been written in that month. */
async function written(sql: Sql, month: number): Promise<void> {
	await sql.query('SELECT ensure_month($1)', [month]);
	await sql.query('UPDATE events SET month = $1 WHERE month > $1', [month]);
}

async function exportOf(sql: Sql): Promise<string> {
	let text = '';
	for await (const part of exportTrail(sql, { format: 'jsonl', keyId: signer.id })) text += part;
	return text;
}
async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
	yield Buffer.from(text);
}

t.test('a month that is over goes as a whole, signed and recorded, and the rest of the chain is verified from there', (t) =>
	eachStore(t, async (t, database) => {
		const [process, ended] = [await aProcess(database), await aProcess(database)];
		const { sql } = process;
		const admission = await anAdmission(t, process);
		const write = async (by = admission, count = 3) => {
			for (let n = 0; n < count; n++) await by.refuse(anEvent({ kind: 'refusal' }));
		};
		const { retention, checkpoints, news } = started(t, process);
		await write();
		await write(await anAdmission(t, ended), 2);
		await ended.sql.query('UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1', [ended.stream]);
		await written(sql, 201911);
		await write();
		await written(sql, 201912);
		await checkpoints.sign();
		await write();
		t.same(await retention.run(), [201911, 201912]);
		t.match(news, [/5 events of 2019-11 taken away/, /3 events of 2019-12/]);
		t.same(await retention.run(), []);
		const trail = createTrail(sql, [signer]);
		t.match(await trail.verify(), { isIntact: true, events: 5, streams: 2, unsigned: 5 });
		t.match((await trail.search({ kind: 'operator' }, { limit: 5 })).events, [
			{ detail: { act: 'retention', month: '2019-12', events: 3 } },
			{ detail: { act: 'retention', month: '2019-11', events: 5, streams: 2 } },
		]);
		const text = await exportOf(sql);
		t.match(await verifyExport(bytesOf(text), { keys: [signer], checkpoints: [] }), { isIntact: true, events: 5 });
		t.equal(secondVerifier(text, '', signer.pem), undefined);

		await sql.query(`DELETE FROM events WHERE sequence = 7`, []);
		t.match(await trail.verify(), { isIntact: false, problem: /event 7: missing; event 8/ }, 'what is cut without a signature is missing');
		await sql.query(`DELETE FROM checkpoints WHERE kind = 'cut'`, []);
		t.match(await trail.verify(), { isIntact: false, problem: /missing/ });
	}),
);

t.test('nothing goes that is not over, or still needed, or when everything is kept', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const request = aRequest();
		await admission.admit(request);
		t.same(await started(t, process).retention.run(), [], 'the current month');
		await written(process.sql, 202001);
		t.same(await started(t, process, { months: 0 }).retention.run(), []);
		t.same(await started(t, process, { stream: () => undefined }).retention.run(), [], 'no lease');
		t.same(await started(t, process).retention.run(), [], 'a call of that month is open');
		await admission.settle(aSettlement(request));
		t.same(await started(t, process).retention.run(), [202001]);
		const [next] = await process.sql.query<{ is_there: boolean }>(
			`SELECT to_regclass('events_' || month_of(clock_timestamp() + interval '1 month')) IS NOT NULL AS is_there`,
			[],
		);
		t.equal(next!.is_there, true, 'the next month is ready before it begins');
	}),
);

t.test('a new month begins by itself, and a clock that falls back begins no old one', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		await process.sql.query(`UPDATE streams SET month = 209901`, []);
		await process.sql.query('SELECT ensure_month(209901)', []);
		await admission.refuse(anEvent({ kind: 'refusal' }));
		await process.sql.query(`UPDATE streams SET month = 202001`, []);
		await process.sql.query(`DROP TABLE IF EXISTS events_202001`, []);
		await admission.refuse(anEvent({ kind: 'refusal' }));
		const rows = await process.sql.query<{ month: number }>('SELECT month FROM events ORDER BY sequence', []);
		const now = new Date();
		t.same(rows, [{ month: 209901 }, { month: now.getUTCFullYear() * 100 + now.getUTCMonth() + 1 }]);
		await process.sql.query('DROP TABLE events_209901', []);
	}),
);

t.test('processes that begin a month at once make it once', async (t) => {
	const database = await onServer(t);
	const replicas = [await database.open(), await database.open(), await database.open()];
	for (let month = 203001; month <= 203012; month++)
		await Promise.all(replicas.map((sql) => sql.query('SELECT ensure_month($1)', [month])));
	const months = await replicas[0]!.query(`SELECT FROM pg_class WHERE relname LIKE 'events_2030__'`, []);
	t.equal(months.length, 12);
});

t.test('what is rare is found by an index, whatever is asked for', (t) =>
	eachStore(t, async (t, database) => {
		const { sql, stream } = await aProcess(database);
		await sql.query('INSERT INTO streams (id) VALUES ($1)', [stream]);
		await sql.query(
			`INSERT INTO events SELECT month_of(clock_timestamp()), $1, n, 'e' || n, CASE n % 2 WHEN 0 THEN 'outcome' ELSE 'intent' END, n, 'call' || n / 2, 'decision' || n / 2, 'intent' || n / 2,
				NULL, 'principal' || n % 7, 'agent' || n % 5, 'session' || n % 20, 'turn' || n % 900, 'server' || n % 3, 'tool' || n % 9,
				CASE n % 2 WHEN 1 THEN 'allow' END, CASE n % 2 WHEN 0 THEN 'ok' END, CASE n % 50 WHEN 0 THEN 'rule' END, CASE n % 2 WHEN 1 THEN 'granted' ELSE '' END, '{}', '', ''
			FROM generate_series(1, 20000) AS n`,
			[stream],
		);
		await sql.query('ANALYZE events');
		const [{ month }] = (await sql.query<{ month: number }>('SELECT DISTINCT month FROM events', [])) as [{ month: number }];
		let asked: { text: string; parameters: readonly SqlParameter[] } | undefined;
		const spy = {
			...sql,
			query: async (text: string, parameters: readonly SqlParameter[]) => {
				asked = { text, parameters };
				return sql.query(text, parameters);
			},
		} as unknown as Sql;
		const plan = async (filter: object) => {
			await createTrail(spy).search(filter, { limit: 50 });
			const rows = await sql.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${asked!.text}`, asked!.parameters);
			return rows.map((row) => row['QUERY PLAN']).join('\n');
		};
		const rare = {
			principal: 'x',
			agent: 'x',
			session: 'x',
			turn: 'x',
			server: 'x',
			tool: 'x',
			rule: 'x',
			callId: 'x',
			decisionId: 'x',
			kind: 'gap',
			outcome: 'tool_error',
			decision: 'deny',
		};
		for (const [name, value] of [...Object.entries(rare), ['decision', 'budgetExceeded']] as const)
			t.notMatch(await plan({ [name]: value }), new RegExp(`Seq Scan on events_${month}|events_${month}_time_ms_`), `${name} ${value}`);
		for (const filter of [{}, { kind: 'intent' }, { outcome: 'ok' }, { decision: 'allow' }, { sinceMs: 19_000 }, { agent: 'agent1' }]) {
			const text = await plan(filter);
			t.match(text, /Index Scan/, JSON.stringify(filter));
			t.notMatch(text, new RegExp(`Seq Scan on events_${month}`), JSON.stringify(filter));
		}

		await sql.query(`UPDATE events SET body = '{"timeMs":' || time_ms || ',"x":"needle"}' WHERE sequence IN (3, 19000)`, []);
		await sql.query(
			`INSERT INTO events SELECT month, stream, sequence + 20000, id, kind, time_ms + 20000, call_id, decision_id, intent_id, approval_id, principal, agent, session, turn, server, tool, decision, outcome, rule, admission, '{}', digest, hash FROM events`,
			[],
		);
		const trail = createTrail(sql);
		const first = await trail.search({ text: 'NEEDLE' }, { limit: 5 });
		t.same([first.events.length, typeof first.next], [0, 'string'], 'a text is looked for among so many events, and no more');
		const second = await trail.search({ text: 'NEEDLE' }, { limit: 1, cursor: first.next! });
		t.match(second, { events: [{ sequence: 19_000 }], next: String });
		t.match(await trail.search({ text: 'NEEDLE' }, { limit: 5, cursor: second.next! }), { events: [{ sequence: 3 }] });
	}),
);

t.test('what was written before there were months is kept, by months', async (t) => {
	const database = await onServer(t);
	const admin = await database.open();
	const [{ name }] = (await admin.query<{ name: string }>('SELECT current_database() AS name', [])) as [{ name: string }];
	await admin.query(`CREATE SCHEMA before; ALTER DATABASE ${name} SET search_path = before`);
	const sql = await database.open();
	const migrations = readMigrations();
	await migrate(
		sql,
		migrations.filter(({ id }) => id < 31),
	);
	await sql.query(`INSERT INTO streams (id) VALUES ('s')`, []);
	// The clock of a process stepped back once: its stream stays in one piece all the same.
	for (const time of ['2026-01-31T23:59:59Z', '2026-02-01T00:00:01Z', '2026-01-31T23:59:59Z', '2026-03-05T00:00:00Z']) {
		await sql.query('SELECT append_event($1, $2::jsonb)', [
			's',
			JSON.stringify(eventRow(anEvent({ kind: 'refusal', timeMs: Date.parse(time) }), conceal)),
		]);
	}
	await migrate(sql, migrations);
	t.same(
		(await sql.query<{ month: number }>('SELECT month FROM events ORDER BY sequence', [])).map(({ month }) => month),
		[202601, 202602, 202602, 202603],
	);
	t.same(await sql.query('SELECT month FROM streams', []), [{ month: 202603 }]);
	t.match(await createTrail(sql).verify(), { isIntact: true, events: 4 });
});
