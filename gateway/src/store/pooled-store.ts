import type pg from 'pg';
import { translate } from './failures.ts';
import type { SqlExecutor, SqlParameter, SqlRow, Store } from './sql.ts';
import { StatementFailed, StoreUnavailable } from './sql.ts';
import { StatementNames } from './statement-names.ts';

/** What differs between the drivers. */
export interface Connections {
	readonly driver: Store['driver'];
	readonly pool: pg.Pool;
	/** Names the database in errors, without its password. */
	readonly where: string;
	listen: Store['listen'];
	/** Called once, after the pool has ended. */
	onClosed(): Promise<void>;
}

const IN_FAILED_TRANSACTION = '25P02';
const CLOCK = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms';

/** The store over a pool of connections that speak PostgreSQL's protocol, to a server or to the embedded database. */
export class PooledStore implements Store {
	readonly driver: Store['driver'];
	readonly listen: Store['listen'];
	readonly #connections: Connections;
	readonly #names = new StatementNames();
	/** Database's clock minus `performance.now()`, in ms: a step of the machine's own wall clock doesn't reach it. */
	#offsetMs = performance.timeOrigin;
	#running = 0;
	#isClosing = false;
	#onIdle: (() => void) | undefined;

	constructor(connections: Connections) {
		this.#connections = connections;
		this.driver = connections.driver;
		this.listen = async (channel, onPayload) => {
			this.#refuseWhenClosed();
			return connections.listen(channel, onPayload);
		};
		// A connection that breaks while idle has left the pool already; whoever needs one next hears of it.
		connections.pool.on('error', () => {});
		// While checked out, its break reaches the statement that runs on it, or the next one.
		connections.pool.on('connect', (client) => client.on('error', () => {}));
	}

	query<Row extends SqlRow>(text: string, parameters?: readonly SqlParameter[]): Promise<Row[]> {
		return this.#withClient((client) => this.#run<Row>(client, text, parameters));
	}

	transaction<T>(work: (tx: SqlExecutor) => Promise<T>): Promise<T> {
		return this.#withClient(async (client) => {
			await this.#run(client, 'BEGIN');
			let hasEnded = false;
			try {
				const result = await work({
					query: async <Row extends SqlRow>(text: string, parameters?: readonly SqlParameter[]) => {
						if (hasEnded) throw new Error('the transaction has ended');
						return this.#run<Row>(client, text, parameters);
					},
				});
				hasEnded = true;
				await this.#commit(client);
				return result;
			} catch (error) {
				hasEnded = true;
				// Without a connection the database rolls back by itself.
				if (!(error instanceof StoreUnavailable)) await this.#run(client, 'ROLLBACK');
				throw error;
			}
		});
	}

	async syncClock(): Promise<void> {
		await this.#withClient(async (client) => {
			const sent = performance.now();
			const [row] = await this.#run<{ ms: number }>(client, CLOCK, []);
			const received = performance.now();
			this.#offsetMs = (row as { ms: number }).ms - (sent + received) / 2;
		});
	}

	nowMs(): number {
		return Math.floor(performance.now() + this.#offsetMs);
	}

	async close(): Promise<void> {
		if (this.#isClosing) return;
		this.#isClosing = true;
		// The pool would let statements that wait for a connection hang until they time out.
		if (this.#running > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
		await this.#connections.pool.end();
		await this.#connections.onClosed();
	}

	async #withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
		this.#refuseWhenClosed();
		this.#running++;
		let isLost = false;
		let client: pg.PoolClient | undefined;
		try {
			client = await this.#connections.pool.connect();
			return await work(client);
		} catch (error) {
			isLost = error instanceof StoreUnavailable;
			throw client === undefined ? translate(error, this.#connections.where) : error;
		} finally {
			client?.release(isLost);
			if (--this.#running === 0) this.#onIdle?.();
		}
	}

	async #run<Row extends SqlRow>(client: pg.PoolClient, text: string, parameters?: readonly SqlParameter[]): Promise<Row[]> {
		try {
			if (parameters) return (await client.query({ text, values: [...parameters], ...this.#nameOf(text) })).rows;
			const results: pg.QueryResult | pg.QueryResult[] = await client.query(text);
			return (Array.isArray(results) ? (results.at(-1)?.rows ?? []) : results.rows) as Row[];
		} catch (cause) {
			throw translate(cause, this.#connections.where);
		}
	}

	#nameOf(text: string): { name?: string } {
		const name = this.#names.of(text);
		return name === undefined ? {} : { name };
	}

	/** A statement that failed inside leaves PostgreSQL to answer COMMIT with a rollback, as if all were well. */
	async #commit(client: pg.PoolClient): Promise<void> {
		let command: string;
		try {
			({ command } = await client.query('COMMIT'));
		} catch (cause) {
			throw translate(cause, this.#connections.where);
		}
		if (command === 'ROLLBACK') {
			throw new StatementFailed('nothing was committed: a statement of the transaction had failed', IN_FAILED_TRANSACTION);
		}
	}

	#refuseWhenClosed(): void {
		if (this.#isClosing) throw new StoreUnavailable(`${this.#connections.where}: the store is closed`);
	}
}
