/** Both kinds of store for tests, each test on a fresh, migrated database. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import root, { type Test } from 'tap';
import { migrate, readMigrations } from '../src/store/migrate.ts';
import { openPg } from '../src/store/pg.ts';
import { openPglite } from '../src/store/pglite.ts';
import type { Store } from '../src/store/sql.ts';
import { SharedStore } from './shared-store.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

export interface FreshDatabase {
	readonly driver: Store['driver'];
	/** A store on the test's database, like one more replica. Closed at the test's end. */
	open(): Promise<Store>;
}

/** Runs the body on both drivers, each as a subtest with a database of its own. */
export async function eachStore(t: Test, body: (t: Test, database: FreshDatabase) => Promise<unknown>): Promise<void> {
	await t.test('on the embedded database', async (t) => body(t, embedded(t)));
	await t.test('on PostgreSQL', async (t) => body(t, await onServer(t)));
}

/** A fresh embedded database. One that an earlier test of this process has left is emptied, because opening another costs half a second of computing. */
export function embedded(t: Test): FreshDatabase {
	let shared: Promise<SharedStore> | undefined;
	t.teardown(async () => {
		const used = await shared;
		if (!used) return;
		await used.empty();
		idle.push(used);
	});
	const take = async () => idle.pop() ?? openShared();
	return { driver: 'pglite', open: async () => (await (shared ??= take())).view() };
}

/** A data folder as an earlier start of the gateway leaves it, with an empty embedded database: opened in a fraction of a first start's time. Removed at the test's end. */
export async function embeddedDataDir(t: Test): Promise<string> {
	const dataDir = mkdtempSync(join(tmpdir(), 'toolgate-data-'));
	t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
	cpSync(await preparedFolder(), join(dataDir, 'database'), { recursive: true });
	return dataDir;
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
const idle: SharedStore[] = [];

async function openShared(): Promise<SharedStore> {
	const dataDir = await embeddedDataDir(root);
	const store = await openPglite(join(dataDir, 'database'), async () => {});
	root.teardown(() => store.close());
	return SharedStore.over(store);
}

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
	const digest = createHash('sha256')
		.update(
			readMigrations()
				.map(({ digest }) => digest)
				.join(),
		)
		.digest('hex');
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
