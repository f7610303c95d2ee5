/** What every driver of the store keeps: one suite, run on each. */
import t, { type Test } from 'tap';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { embeddedDataDir, onServer, type FreshDatabase } from '../../test/stores.ts';
import { openPglite } from './pglite.ts';
import type { SqlExecutor } from './sql.ts';
import { StoreUnavailable } from './sql.ts';

const UNIQUE_VIOLATION = '23505';
const SYNTAX_ERROR = '42601';
const UNDEFINED_TABLE = '42P01';
const IN_FAILED_TRANSACTION = '25P02';

t.test('the store on the embedded database', async (t) => {
	const workers: Worker[] = [];
	const note = (worker: Worker) => workers.push(worker);
	process.on('worker', note);
	t.teardown(() => process.off('worker', note));
	const folder = join(await embeddedDataDir(t), 'database');
	const open = () => openPglite(folder, async () => {});
	await storeContract(t, { driver: 'pglite', open }, async () => {
		await workers.at(-1)?.terminate();
	});
});

t.test('a statement that never ends takes the embedded database with it, and the next one finds it back, in one thread', async (t) => {
	const running = new Set<Worker>();
	let most = 0;
	const note = (worker: Worker) => {
		running.add(worker.once('exit', () => running.delete(worker)));
		most = Math.max(most, running.size);
	};
	process.on('worker', note);
	t.teardown(() => process.off('worker', note));
	const store = await openPglite(join(await embeddedDataDir(t), 'database'), async () => {}, 3_000);
	t.teardown(() => store.close());
	const endless = store.query("INSERT INTO processes SELECT n, '', now() FROM generate_series(1, 1e12) n");
	const count = () => store.query('SELECT count(*) AS n FROM processes', []);
	const queued = count();
	const next = endless.catch(count);
	await t.rejects(endless, { name: 'StoreUnavailable', message: /^embedded database in .*: Query read timeout$/ });
	t.same(await Promise.all([queued, next]), [[{ n: 0 }], [{ n: 0 }]]);
	t.equal(most, 1, 'two threads on one folder would destroy it');
});

t.test('the store on PostgreSQL', async (t) => {
	const database = await onServer(t);
	const other = await database.open();
	await storeContract(t, database, async () => {
		await other.query(
			'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
		);
	});
});

/** @param cut ends every connection to the database, as its crash would; it is back at once */
async function storeContract(t: Test, database: FreshDatabase, cut: () => Promise<void>): Promise<void> {
	const store = await database.open();
	await store.query('CREATE TABLE things (id int PRIMARY KEY, n int8 NOT NULL DEFAULT 0)');

	await t.test('values come back as the contract says', async (t) => {
		const [row] = await store.query(
			`SELECT 5::int8 AS small, 9007199254740993::int8 AS large, '2026-01-02 03:04:05.678+01'::timestamptz AS time, 'infinity'::timestamptz AS never,
				'\\x00ff'::bytea AS bytes, '{"a":[1,null]}'::jsonb AS jsonb, '[true]'::json AS json, 1.50::numeric AS numeric, '2026-01-02'::date AS date,
				'{1,NULL,9007199254740993}'::int8[] AS int8s, ARRAY['a,"b', NULL] AS texts, ARRAY['1970-01-01 00:00:01Z'::timestamptz] AS times,
				ARRAY['\\x01'::bytea] AS byteses, 1.5::float8 AS float, true AS bool, NULL::text AS missing, gen_random_uuid() AS uuid`,
		);
		t.match(row, {
			small: 5,
			large: 9007199254740993n,
			time: Date.UTC(2026, 0, 2, 2, 4, 5, 678),
			never: Number.POSITIVE_INFINITY,
			jsonb: { a: [1, null] },
			json: [true],
			numeric: '1.50',
			date: '2026-01-02',
			int8s: [1, null, 9007199254740993n],
			texts: ['a,"b', null],
			times: [1000],
			float: 1.5,
			bool: true,
			missing: null,
			uuid: /^[0-9a-f-]{36}$/,
		});
		const { bytes, byteses } = row as { bytes: Uint8Array; byteses: Uint8Array[] };
		t.ok(bytes instanceof Uint8Array);
		t.same([...bytes], [0, 255]);
		t.same(
			byteses.map((each) => [...each]),
			[[1]],
		);
	});

	await t.test('parameters arrive as they were', async (t) => {
		const text = 'quote \' " \\ {} NULL 漢字 😀';
		const [row] = await store.query(
			`SELECT $1::text AS text, $2::int8 AS big, $3::bool AS yes, $4::text AS missing, encode($5::bytea, 'hex') AS bytes, $6::text[] AS texts,
				array_to_string($7::int8[], '+') AS numbers, encode(($8::bytea[])[2], 'hex') AS second, $9::jsonb ->> 'k' AS json, $10::float8 AS float`,
			[
				text,
				-9007199254740993n,
				true,
				null,
				new Uint8Array([0, 1, 255]),
				[text, '', 'NULL'],
				[1, 2],
				[new Uint8Array([1]), new Uint8Array([255])],
				JSON.stringify({ k: text }),
				0.1,
			],
		);
		t.same(row, {
			text,
			big: -9007199254740993n,
			yes: true,
			missing: null,
			bytes: '0001ff',
			texts: [text, '', 'NULL'],
			numbers: '1+2',
			second: 'ff',
			json: text,
			float: 0.1,
		});
		const large = 'x'.repeat(3_000_000);
		const [back] = await store.query<{ large: string }>('SELECT $1::text AS large', [large]);
		t.ok(back?.large === large, 'megabytes go in and come back');
	});

	await t.test('a statement used again and again is prepared, and still sees what has changed', async (t) => {
		const count = async () => (await store.query<{ n: number }>('SELECT count(*) AS n FROM things WHERE id >= $1', [100]))[0]?.n;
		for (let n = 0; n < 8; n++) {
			t.equal(await count(), n);
			await store.query('INSERT INTO things (id) VALUES ($1)', [100 + n]);
		}
		const [prepared] = await store.query<{ n: number }>(
			`SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT count(*) AS n FROM things%'`,
		);
		t.equal(prepared?.n, 1);
	});

	await t.test('a text without parameters may hold several statements', async (t) => {
		t.same(await store.query('SELECT 1 AS a; SELECT 2 AS b UNION SELECT 3 ORDER BY b'), [{ b: 2 }, { b: 3 }]);
		t.same(await store.query('DO $$ BEGIN PERFORM 1; END $$'), []);
	});

	await t.test('a refused statement names its SQLSTATE, and the connection goes on', async (t) => {
		await store.query('INSERT INTO things (id) VALUES (1)');
		await t.rejects(store.query('INSERT INTO things (id) VALUES ($1)', [1]), { name: 'StatementFailed', sqlState: UNIQUE_VIOLATION });
		await t.rejects(store.query('SELEC 1'), { name: 'StatementFailed', sqlState: SYNTAX_ERROR });
		await t.rejects(store.query('SELECT $1::int FROM nowhere', [1]), { name: 'StatementFailed', sqlState: UNDEFINED_TABLE });
		await t.rejects(store.query("DO $$ BEGIN RAISE 'out of turn' USING ERRCODE = 'TG001'; END $$"), {
			sqlState: 'TG001',
			message: /out of turn/,
		});
		t.same(await store.query('SELECT 1 AS one', []), [{ one: 1 }]);
	});

	await t.test('a transaction holds as a whole, or not at all', async (t) => {
		const idsFrom = async (id: number) =>
			(await store.query<{ id: number }>('SELECT id FROM things WHERE id BETWEEN $1 AND $1 + 9 ORDER BY id', [id])).map((row) => row.id);
		const insert = (tx: SqlExecutor, id: number) => tx.query('INSERT INTO things (id) VALUES ($1)', [id]);

		t.equal(
			await store.transaction(async (tx) => {
				await insert(tx, 10);
				await insert(tx, 11);
				return 'done';
			}),
			'done',
		);
		t.same(await idsFrom(10), [10, 11]);

		const why = new Error('changed its mind');
		await t.rejects(
			store.transaction(async (tx) => {
				await insert(tx, 20);
				throw why;
			}),
			why,
		);
		t.same(await idsFrom(20), [], 'work that throws leaves nothing');

		await t.rejects(
			store.transaction(async (tx) => {
				await insert(tx, 30);
				await insert(tx, 30).catch(() => {});
			}),
			{ name: 'StatementFailed', sqlState: IN_FAILED_TRANSACTION },
			'a failed statement that the work has overlooked is no success',
		);
		t.same(await idsFrom(30), []);

		await store.transaction((tx) => Promise.all([insert(tx, 40), insert(tx, 41), insert(tx, 42)]));
		t.same(await idsFrom(40), [40, 41, 42], 'statements sent together run one after another');

		let escaped: SqlExecutor | undefined;
		await store.transaction(async (tx) => {
			escaped = tx;
		});
		await t.rejects((escaped as SqlExecutor).query('SELECT 1'), /has ended/);
	});

	await t.test('transactions at the same time lose no update', async (t) => {
		await store.query('INSERT INTO things (id) VALUES (50)');
		const add = () =>
			store.transaction(async (tx) => {
				const [row] = await tx.query<{ n: number }>('SELECT n FROM things WHERE id = 50 FOR UPDATE', []);
				await tx.query('UPDATE things SET n = $1 WHERE id = 50', [(row as { n: number }).n + 1]);
			});
		await Promise.all(Array.from({ length: 20 }, add));
		t.same(await store.query('SELECT n FROM things WHERE id = 50'), [{ n: 20 }]);
	});

	await t.test('notifications arrive in order, on commit, until the listener stops', async (t) => {
		const heard = new Payloads();
		const stop = await store.listen('news', heard.add);
		const stopSecond = await store.listen('news', () => {});
		await store.transaction(async (tx) => {
			await tx.query("SELECT pg_notify('news', $1)", ['one']);
			await tx.query("SELECT pg_notify('news', $1)", ['two 漢字']);
		});
		await store
			.transaction(async (tx) => {
				await tx.query("NOTIFY news, 'never'");
				throw new Error('no');
			})
			.catch(() => {});
		await store.query("NOTIFY news, 'three'");
		t.same(await heard.take(3), ['one', 'two 漢字', 'three']);
		await stopSecond();
		await store.query("NOTIFY news, 'four'");
		t.same(await heard.take(1), ['four'], 'one that stops does not silence the others');
		await stop();
		const after = new Payloads();
		const stopAfter = await store.listen('news', after.add);
		await store.query("NOTIFY news, 'five'");
		t.same(await after.take(1), ['five']);
		t.same(heard.all, [], 'a stopped listener hears no more');
		await stopAfter();
	});

	await t.test("the store's clock is the database's", async (t) => {
		await store.syncClock();
		const before = store.nowMs();
		const [row] = await store.query<{ at: number }>('SELECT clock_timestamp() AS at');
		const after = store.nowMs();
		const at = (row as { at: number }).at;
		t.ok(Number.isInteger(before));
		t.ok(before - 50 <= at && at <= after + 50, `${before} ≤ ${at} ≤ ${after}, give or take half a round trip`);
	});

	await t.test('after the database was cut off, the store recovers and listeners hear that they may have missed something', async (t) => {
		const heard = new Payloads();
		const stop = await store.listen('news', heard.add);
		await store.query('INSERT INTO things (id) VALUES (60)');
		const inside = store.transaction(async (tx) => {
			await tx.query('INSERT INTO things (id) VALUES (61)');
			await cut();
			await tx.query('INSERT INTO things (id) VALUES (62)');
		});
		await t.rejects(inside, StoreUnavailable, 'whoever was in the middle of something is told');
		t.same(
			await eventually(() => store.query('SELECT id FROM things WHERE id BETWEEN 60 AND 69')),
			[{ id: 60 }],
			'what was committed is there, the rest is not',
		);
		t.same(await heard.take(1), ['']);
		await store.query("NOTIFY news, 'again'");
		t.same(await heard.take(1), ['again']);
		await stop();
	});

	await t.test('a closed store refuses, after what was under way is done', async (t) => {
		const last = store.query('INSERT INTO things (id) VALUES (70) RETURNING id');
		const queued = Array.from({ length: 20 }, () => store.query('SELECT 1'));
		await store.close();
		t.same(await last, [{ id: 70 }]);
		await Promise.all(queued);
		await t.rejects(store.query('SELECT 1'), StoreUnavailable);
		await t.rejects(
			store.transaction(async () => {}),
			StoreUnavailable,
		);
		await t.rejects(
			store.listen('news', () => {}),
			StoreUnavailable,
		);
		await store.close();
		const again = await database.open();
		t.teardown(() => again.close());
		t.same(
			await again.query('SELECT id FROM things WHERE id IN (60, 61, 70) ORDER BY id'),
			[{ id: 60 }, { id: 70 }],
			'another store finds what this one left',
		);
	});
}

/** The statements that run into the cut are told so; the next ones find the database back. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
	for (;;) {
		try {
			return await work();
		} catch (error) {
			if (!(error instanceof StoreUnavailable)) throw error;
		}
	}
}

/** What a listener has heard and the test has not yet taken. */
class Payloads {
	readonly all: string[] = [];
	#arrived: () => void = () => {};
	readonly add = (payload: string): void => {
		this.all.push(payload);
		this.#arrived();
	};
	async take(count: number): Promise<string[]> {
		while (this.all.length < count) await new Promise<void>((resolve) => (this.#arrived = resolve));
		return this.all.splice(0, count);
	}
}
