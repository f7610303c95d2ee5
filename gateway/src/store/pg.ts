import pg from 'pg';
import { PgListener } from './pg-listener.ts';
import { PooledStore } from './pooled-store.ts';
import type { Store } from './sql.ts';
import { StoreUnavailable } from './sql.ts';
import { wireTypes } from './wire-types.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** Beyond the server's own limit: it is the network that has failed. */
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 10;

/**
 * Opens the store on a PostgreSQL server and proves that it answers.
 * @param dsn `postgres://user:password@host:port/database`, parameters as libpq has them
 * @throws {StoreUnavailable} naming host, port and database, never the password.
 */
export async function openPg(dsn: string): Promise<Store> {
	const config: pg.ClientConfig = {
		connectionString: dsn,
		application_name: 'toolgate',
		types: wireTypes,
		keepAlive: true,
		connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
	};
	const where = describe(config);
	const pool = new pg.Pool({
		...config,
		max: MAX_CONNECTIONS,
		pipeline: true,
		statement_timeout: STATEMENT_TIMEOUT_MS,
		// A process that is stopped in the middle of a transaction must not hold its locks for ever.
		idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
		query_timeout: ANSWER_TIMEOUT_MS,
	});
	const listener = new PgListener(config);
	const store = new PooledStore({
		driver: 'pg',
		pool,
		where,
		listen: (channel, onPayload) => listener.listen(channel, onPayload),
		onClosed: () => listener.close(),
	});
	try {
		await store.syncClock();
	} catch (error) {
		await store.close();
		throw error;
	}
	return store;
}

function describe(config: pg.ClientConfig): string {
	try {
		const { host, port, database, user } = new pg.Client(config);
		const address = host.startsWith('/') ? `socket ${host}, port ${port}` : `${host}:${port}`;
		return `PostgreSQL at ${address}, database "${database ?? user}"`;
	} catch {
		// The parser's own message may repeat the DSN, and the password with it.
		throw new StoreUnavailable('the DSN is not a URL of the form postgres://user:password@host:port/database');
	}
}
