import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { translate } from './failures.ts';
import { Listeners } from './listeners.ts';
import { PgliteStream, startPgliteWorker } from './pglite-stream.ts';
import { PooledStore } from './pooled-store.ts';
import type { Store } from './sql.ts';
import { wireTypes } from './wire-types.ts';

/** How long a statement may wait for those before it: there is one connection. */
const QUEUE_TIMEOUT_MS = 60_000;
/** A statement that computes for longer is ended by ending the thread, because nothing else can interrupt it. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * Opens the store on PGlite, PostgreSQL in this process, in a thread of its own; makes the database where the folder has none (some seconds).
 * One connection: transactions run one after another. A thread that dies fails what it was doing and is replaced at the next statement.
 * @param folder of the database alone, held under the lock of `data-folder.ts`
 * @param onClosed the folder is free again; called also when it can't be opened
 * @throws {StoreUnavailable}
 */
export async function openPglite(folder: string, onClosed: () => Promise<void>, answerTimeoutMs = ANSWER_TIMEOUT_MS): Promise<Store> {
	const where = `embedded database in ${folder}`;
	const listeners = new Listeners();
	let released = Promise.resolve();
	let isFirst = true;
	const pool = new pg.Pool({
		max: 1,
		idleTimeoutMillis: 0,
		connectionTimeoutMillis: QUEUE_TIMEOUT_MS,
		query_timeout: answerTimeoutMs,
		pipeline: true,
		types: wireTypes,
		// Given, so that no variable of the environment that is meant for a server takes effect.
		host: 'embedded',
		port: 1,
		user: 'postgres',
		password: 'none',
		database: 'postgres',
		ssl: false,
		stream: () => {
			const stream = new PgliteStream(folder, released);
			released = stream.released;
			return stream;
		},
		// oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it; only its type does not say so
		onConnect: async (client) => {
			client.on('notification', ({ channel, payload }) => listeners.dispatch(channel, payload ?? ''));
			for (const channel of listeners.channels) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
			if (!isFirst) listeners.dispatchMissed();
			isFirst = false;
		},
	});
	const store: Store = new PooledStore({
		driver: 'pglite',
		pool,
		where,
		async listen(channel, onPayload) {
			if (listeners.add(channel, onPayload)) await store.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
			return async () => {
				if (listeners.remove(channel, onPayload)) await store.query(`UNLISTEN ${pg.escapeIdentifier(channel)}`);
			};
		},
		onClosed: () => released.then(onClosed),
	});
	try {
		await makeDatabase(folder);
		await store.syncClock();
	} catch (error) {
		await store.close();
		throw translate(error, where);
	}
	return store;
}

/** Beside its place and then moved there, so that a kill in between leaves no half of a database. */
async function makeDatabase(folder: string): Promise<void> {
	if (existsSync(join(folder, 'PG_VERSION'))) return;
	const unfinished = `${folder}.new`;
	await rm(unfinished, { recursive: true, force: true });
	const { worker, ready, exited } = startPgliteWorker(unfinished);
	await ready;
	worker.postMessage(null);
	await exited;
	await rename(unfinished, folder);
}
