import { Pool } from 'undici';
import type { UpstreamAnswer, UpstreamCall } from './upstream-call.ts';
import type { JsonObject } from '../domain.ts';
import { Health, type UpstreamHealth } from './health.ts';
import type { Endpoint, Opened } from './legacy/handshake.ts';
import { readConfiguredHeaders } from './http/configured-headers.ts';
import { isObject } from './legacy/messages.ts';
import { holdOwnStream } from './legacy/own-stream.ts';
import { LegacySession, type SessionEvents } from './legacy/session.ts';

/** One upstream as configured. */
export interface UpstreamSettings {
	readonly url: string;
	/** Sent with every request: the gateway's own credentials. */
	readonly headers: Readonly<Record<string, string>>;
	/** How long one call may take. */
	readonly timeoutMs: number;
}

export interface UpstreamOptions {
	readonly maxResultBytes: number;
	readonly version: string;
	/** What the upstream offers may have changed: it said so, has a new session, or was away. */
	onStale(): void;
	onHealth(seen: UpstreamHealth): void;
}

/** Connections at once; more calls wait in the pool, and have provably not been sent when their time ends there. */
const MAX_CONNECTIONS = 128;
/** Of every request; an upstream chooses between the two kinds of answer. */
const HEADERS = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream', 'user-agent', 'toolgate'];
const CONNECT_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;
const DISCOVERY_TIMEOUT_MS = 15_000;
const NOBODY: UpstreamCall['downstream'] = { notify: () => {}, cancelled: new AbortController().signal };

/** One upstream over Streamable HTTP: its connections, one session per agent session, and one of the gateway's own. */
export class Upstream {
	readonly name: string;
	readonly #settings: UpstreamSettings;
	readonly #options: UpstreamOptions;
	readonly #pool: Pool;
	readonly #endpoint: Endpoint;
	readonly #health: Health;
	readonly #sessions = new Map<string, LegacySession>();
	readonly #ownParams: JsonObject;
	readonly #own: LegacySession;
	readonly #closing = new AbortController();
	/** Ends the stream held for the gateway's own session, when there is a newer one. */
	#holding = new AbortController();
	#running = 0;
	#onIdle: (() => void) | undefined;

	/** @throws {ToolGateError} CONFIG: the URL or a header can't be used. */
	constructor(name: string, settings: UpstreamSettings, options: UpstreamOptions) {
		const url = new URL(settings.url);
		this.name = name;
		this.#settings = settings;
		this.#options = options;
		// HTTP/1.1 only: one framing to reason about. No redirects, no interceptors, no proxy from the environment.
		this.#pool = new Pool(url.origin, {
			connections: MAX_CONNECTIONS,
			pipelining: 1,
			allowH2: false,
			connectTimeout: CONNECT_TIMEOUT_MS,
			keepAliveTimeout: KEEP_ALIVE_MS,
		});
		const headers = [...HEADERS, ...readConfiguredHeaders(name, url, settings.headers)];
		this.#endpoint = { dispatcher: this.#pool, path: `${url.pathname}${url.search}`, headers };
		this.#health = new Health(name, options.onHealth);
		this.#ownParams = { capabilities: {}, clientInfo: { name: 'toolgate', version: options.version } };
		this.#own = this.#session(this.#ownParams, (opened) => void this.#hold(opened));
	}

	get health(): UpstreamHealth {
		return this.#health.seen;
	}

	/**
	 * Opens the session behind an agent's session, with what the agent said in `initialize`; the gateway's own revision, and no capability
	 * that would let the upstream ask back. Resolves when it is open or can't be: then the first call opens it.
	 */
	async openSession(agentSessionId: string, agentParams: JsonObject): Promise<void> {
		const params = { ...agentParams, capabilities: {} };
		const session = this.#session(params, () => {});
		void this.#sessions.get(agentSessionId)?.close();
		this.#sessions.set(agentSessionId, session);
		await session.open();
	}

	async closeSession(agentSessionId: string): Promise<void> {
		const session = this.#sessions.get(agentSessionId);
		this.#sessions.delete(agentSessionId);
		await session?.close();
	}

	/** Sends one request, once. A call of no session goes in the gateway's own. Never rejects. */
	async call(call: UpstreamCall): Promise<UpstreamAnswer> {
		if (this.#closing.signal.aborted) return { kind: 'not_sent', why: 'the gateway is closing' };
		const known = call.sessionId === undefined ? this.#own : this.#sessions.get(call.sessionId);
		// What a session that is not known here may know is nobody else's: its call gets a session that ends with it.
		const session = known ?? this.#session(this.#ownParams, () => {});
		this.#running++;
		try {
			return await session.call(call);
		} finally {
			if (known === undefined) void session.close();
			if (--this.#running === 0) this.#onIdle?.();
		}
	}

	/** What the upstream said to `initialize`, in the gateway's own session. @throws {Error} why there is none. */
	async initializeResult(): Promise<JsonObject> {
		const opened = await this.#own.open();
		if ('why' in opened) throw new Error(opened.why);
		return opened.result;
	}

	/** One request of the gateway's own, such as `tools/list`. @throws {Error} why there is no result. */
	async request(method: string, params: JsonObject): Promise<JsonObject> {
		const message = { jsonrpc: '2.0', id: 0, method, params };
		const timeoutMs = Math.min(this.#settings.timeoutMs, DISCOVERY_TIMEOUT_MS);
		const answer = await this.call({ upstream: this.name, message, timeoutMs, downstream: NOBODY });
		if (answer.kind !== 'answered') throw new Error(answer.why);
		const { result, error } = answer.message;
		if (isObject(result)) return result;
		throw new Error(`${method} failed: ${isObject(error) ? String(error['message']).slice(0, 200) : 'no result'}`);
	}

	/** Lets running calls end for at most `drainMs`, ends the sessions, and closes the connections. Never rejects. */
	async close(drainMs: number): Promise<void> {
		this.#closing.abort();
		if (this.#running > 0) {
			const { promise, resolve } = Promise.withResolvers<void>();
			const timer = setTimeout(resolve, drainMs);
			this.#onIdle = resolve;
			await promise;
			clearTimeout(timer);
		}
		await Promise.all([this.#own, ...this.#sessions.values()].map((session) => session.close()));
		this.#sessions.clear();
		await this.#pool.destroy();
	}

	#session(params: JsonObject, onOpened: (opened: Opened) => void): LegacySession {
		const events: SessionEvents = {
			onUp: () => this.#health.up(),
			onDown: (why) => this.#health.down(why),
			onOpened: (opened) => {
				onOpened(opened);
				this.#options.onStale();
			},
			onNotification: (method) => {
				if (method === 'notifications/tools/list_changed') this.#options.onStale();
			},
		};
		const limits = { timeoutMs: this.#settings.timeoutMs, maxResultBytes: this.#options.maxResultBytes };
		return new LegacySession(this.#endpoint, params, limits, events);
	}

	/** Holds the stream of the gateway's own session until there is a newer session. */
	async #hold(opened: Opened): Promise<void> {
		this.#holding.abort();
		this.#holding = new AbortController();
		const signal = AbortSignal.any([this.#holding.signal, this.#closing.signal]);
		const end = await holdOwnStream({ ...this.#endpoint, headers: opened.headers }, signal, {
			onMessage: (message) => {
				if (message.kind === 'request') this.#own.reply(opened, message.id, message.method);
				if (message.kind === 'notification' && message.method === 'notifications/tools/list_changed') this.#options.onStale();
			},
			onGap: () => this.#options.onStale(),
		});
		if (end !== 'lost') return;
		this.#own.forget(opened);
		this.#options.onStale();
	}
}
