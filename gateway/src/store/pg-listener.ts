import pg from 'pg';
import { Listeners } from './listeners.ts';

const HEARTBEAT_MS = 15_000;
const HEARTBEAT_TIMEOUT_MS = 5_000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/**
 * LISTEN on a connection of its own, because a pool's connections come and go. While it is down the listeners stay registered; once it is back each
 * hears an empty payload. A heartbeat finds a connection that died without a word.
 */
export class PgListener {
	readonly #config: pg.ClientConfig;
	readonly #listeners = new Listeners();
	#client: pg.Client | undefined;
	#connecting: Promise<void> | undefined;
	#timer: NodeJS.Timeout | undefined;
	#retryMs = MIN_RETRY_MS;
	#wasConnected = false;
	#isClosed = false;

	constructor(config: pg.ClientConfig) {
		this.#config = { ...config, query_timeout: HEARTBEAT_TIMEOUT_MS, pipeline: true };
	}

	/** Resolves when notifications arrive, or when the database is away and it listens as soon as that is back. */
	async listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>> {
		const isFirst = this.#listeners.add(channel, onPayload);
		await this.#connected();
		if (isFirst) await this.#tell(`LISTEN ${pg.escapeIdentifier(channel)}`);
		return async () => {
			if (this.#listeners.remove(channel, onPayload)) await this.#tell(`UNLISTEN ${pg.escapeIdentifier(channel)}`);
		};
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#timer);
		await this.#connecting;
		await this.#client?.end();
	}

	/** A statement that fails has lost its connection, and the reconnect listens on every channel. */
	async #tell(text: string): Promise<void> {
		const client = this.#client;
		await client?.query(text).catch(() => this.#lose(client));
	}

	async #connected(): Promise<void> {
		if (this.#client === undefined && this.#timer === undefined) this.#connecting ??= this.#connect();
		await this.#connecting;
	}

	async #connect(): Promise<void> {
		const client = new pg.Client(this.#config);
		client.on('notification', ({ channel, payload }) => this.#listeners.dispatch(channel, payload ?? ''));
		client.on('error', () => this.#lose(client));
		client.on('end', () => this.#lose(client));
		this.#client = client;
		try {
			await client.connect();
			for (const channel of this.#listeners.channels) await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
			this.#retryMs = MIN_RETRY_MS;
			this.#schedule(HEARTBEAT_MS, () => void this.#beat(client));
			if (this.#wasConnected) this.#listeners.dispatchMissed();
			this.#wasConnected = true;
		} catch {
			// Also when the very first attempt fails, something may be missed until it listens.
			this.#wasConnected = true;
			this.#lose(client);
		} finally {
			this.#connecting = undefined;
		}
	}

	async #beat(client: pg.Client): Promise<void> {
		await this.#tell('SELECT');
		if (this.#client === client) this.#schedule(HEARTBEAT_MS, () => void this.#beat(client));
	}

	#lose(client: pg.Client): void {
		if (this.#client !== client) return;
		this.#client = undefined;
		client.end().catch(() => {});
		this.#schedule(this.#retryMs, () => {
			this.#connecting = this.#connect();
		});
		this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
	}

	#schedule(afterMs: number, act: () => void): void {
		clearTimeout(this.#timer);
		this.#timer = undefined;
		if (this.#isClosed) return;
		this.#timer = setTimeout(() => {
			this.#timer = undefined;
			act();
		}, afterMs).unref();
	}
}
