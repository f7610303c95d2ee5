/** Both kinds of store for tests, each test on a fresh, migrated database. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import type { Test } from 'tap';
import { migrate, readMigrations } from '../src/store/migrate.ts';
import { openPg } from '../src/store/pg.ts';
import { openPglite } from '../src/store/pglite.ts';
import type { Store } from '../src/store/sql.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

export interface FreshDatabase {
	readonly driver: Store['driver'];
	/**
	 * A store on the test's database, closed at the test's end. On PostgreSQL each call gives another, like another replica; the embedded database has one
	 * owner, so that each call gives the same one, until it is closed.
	 */
	open(): Promise<Store>;
}

/** Runs the body on both drivers, each as a subtest with a database of its own. */
export async function eachStore(t: Test, body: (t: Test, database: FreshDatabase) => Promise<unknown>): Promise<void> {
	await t.test('on the embedded database', async (t) => body(t, embedded(t)));
	await t.test('on PostgreSQL', async (t) => body(t, await onServer(t)));
}

/** A fresh embedded database, copied from a prepared one: 0.2 s instead of seconds. */
export function embedded(t: Test): FreshDatabase {
	const parent = mkdtempSync(join(tmpdir(), 'toolgate-embedded-'));
	const folder = join(parent, 'database');
	let opened: Promise<Store> | undefined;
	t.teardown(async () => {
		await (await opened)?.close();
		rmSync(parent, { recursive: true, force: true });
	});
	const open = async () => {
		if (!existsSync(folder)) cpSync(await preparedFolder(), folder, { recursive: true });
		return openPglite(folder, async () => {
			opened = undefined;
		});
	};
	return { driver: 'pglite', open: () => (opened ??= open()) };
}

/** A fresh database on the one server of this test process. */
export async function onServer(t: Test): Promise<FreshDatabase> {
	const server = await sharedServer();
	const name = `test_${++databases}`;
	const admin = await openPg(server.dsn);
	await admin.query(`CREATE DATABASE ${name} TEMPLATE prepared`);
	await admin.close();
	const stores: Store[] = [];
	t.teardown(async () => {
		for (const store of stores) await store.close();
	});
	return {
		driver: 'pg',
		async open() {
			const store = await openPg(server.dsnOf(name));
			stores.push(store);
			return store;
		},
	};
}

let databases = 0;
let server: Promise<TestPostgres> | undefined;

function sharedServer(): Promise<TestPostgres> {
	return (server ??= (async () => {
		const started = await startPostgres();
		const admin = await openPg(started.dsn);
		await admin.query('CREATE DATABASE prepared');
		await admin.close();
		const prepared = await openPg(started.dsnOf('prepared'));
		await migrate(prepared);
		await prepared.close();
		return started;
	})());
}

/** The migrated folder to copy from, kept between runs for as long as neither PGlite nor the migrations change. */
async function preparedFolder(): Promise<string> {
	const pglite = createRequire(import.meta.url).resolve('@electric-sql/pglite');
	const { version } = JSON.parse(readFileSync(join(dirname(pglite), '..', 'package.json'), 'utf8')) as { version: string };
	const digest = createHash('sha256').update(readMigrations().map(({ digest }) => digest).join()).digest('hex');
	const cache = join(import.meta.dirname, '..', '..', '.cache', 'embedded');
	const folder = join(cache, `${version}-${digest.slice(0, 16)}`);
	if (existsSync(folder)) return folder;
	mkdirSync(cache, { recursive: true });
	const unfinished = mkdtempSync(join(cache, 'unfinished-'));
	const store = await openPglite(join(unfinished, 'database'), async () => {});
	await migrate(store);
	await store.close();
	try {
		renameSync(join(unfinished, 'database'), folder);
	} catch (error) {
		// Another test process was faster.
		if (!existsSync(folder)) throw error;
	} finally {
		rmSync(unfinished, { recursive: true, force: true });
	}
	return folder;
}
