import { Pool } from 'undici';
import { readConfiguredHeaders } from './configured-headers.ts';
import type { Endpoint } from './endpoint.ts';

/** Connections at once; more calls wait in the pool, and have provably not been sent when their time ends there. */
const MAX_CONNECTIONS = 128;
/** Of every request; an upstream chooses between the two kinds of answer. */
const HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream', 'user-agent', 'toolgate'];
// HTTP/1.1 only: one framing to reason about. No redirects, no interceptors, no proxy from the environment.
const OPTIONS = {
	pipelining: 1,
	allowH2: false,
	connectTimeout: 5_000,
	keepAliveTimeout: 30_000,
	// A held stream may be silent for as long as it likes: that its peer is still there, TCP asks.
	connect: { keepAlive: true, keepAliveInitialDelay: 30_000 },
} as const;

/** Pools of connections to one upstream. */
export class Connection {
	readonly endpoint: Endpoint;
	readonly #pools: readonly Pool[];

	/** Connects to nothing yet. @throws {ToolGateError} CONFIG: the URL or a header can't be used. */
	constructor(upstream: string, address: string, headers: Readonly<Record<string, string>>) {
		const url = new URL(address);
		const sent = [...HEADERS, ...readConfiguredHeaders(upstream, url, headers)];
		const dispatcher = new Pool(url.origin, { ...OPTIONS, connections: MAX_CONNECTIONS });
		const streams = new Pool(url.origin, OPTIONS);
		this.#pools = [dispatcher, streams];
		this.endpoint = { dispatcher, streams, path: `${url.pathname}${url.search}`, headers: sent };
	}

	async close(): Promise<void> {
		await Promise.all(this.#pools.map((pool) => pool.destroy()));
	}
}
