import type { Era, JsonObject } from '../domain.ts';
import { Breaker } from './breaker.ts';
import { EitherEra } from './either-era.ts';
import { Health, type UpstreamHealth } from './health.ts';
import { Connection } from './http/connection.ts';
import { LegacyHttp } from './legacy/legacy-http.ts';
import type { Link, LinkOptions } from './link.ts';
import { isObject } from './messages.ts';
import { ModernHttp } from './modern/modern-http.ts';
import type { ServerRequest } from './server-requests.ts';
import type { SessionMemory } from './session-memory.ts';
import { type Command, Stdio } from './stdio/stdio.ts';
import type { BoundCall, UpstreamAnswer, UpstreamCall } from './upstream-call.ts';

/** One upstream as configured: reached at a URL, or run by a command. */
export type UpstreamSettings = (HttpSettings | Command) & CommonSettings;

interface HttpSettings {
	readonly url: string;
	/** Sent with every request: the gateway's own credentials. */
	readonly headers: Readonly<Record<string, string>>;
	/** How it is spoken to; `auto`, also where absent, asks it. */
	readonly era?: 'auto' | Era;
}

interface CommonSettings {
	/** How long one call may take. */
	readonly timeoutMs: number;
	/** What it may ask of agents; nothing where absent. */
	readonly serverRequests?: readonly ServerRequest[];
}

export interface UpstreamOptions {
	readonly maxResultBytes: number;
	readonly version: string;
	/** What the upstream offers may have changed: it said so, has a new session, or was away. */
	onStale(): void;
	onHealth(seen: UpstreamHealth): void;
	/** What it says outside of calls, in the session of that agent session; undefined where it is nobody's alone. */
	onNotification(agentSessionId: string | undefined, message: JsonObject): void;
	/** A line that it writes besides, for the log. */
	onLine(line: string): void;
	/** What the agent of a session said in `initialize`; undefined for a session that is not known here. */
	agentParams(agentSessionId: string): JsonObject | undefined;
	/** What that session has asked of this upstream to be kept. */
	memoryOf(agentSessionId: string): SessionMemory;
}

const DISCOVERY_TIMEOUT_MS = 15_000;
const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;
const NOBODY: UpstreamCall['downstream'] = { notify: () => {}, cancelled: new AbortController().signal };

/** One upstream, however it is spoken to. */
export class Upstream {
	readonly name: string;
	readonly #settings: UpstreamSettings;
	readonly #options: UpstreamOptions;
	readonly #connection: Connection | undefined;
	readonly #link: Link;
	readonly #health: Health;
	readonly #breaker = new Breaker();
	readonly #closing = new AbortController();
	#running = 0;
	#onIdle: (() => void) | undefined;

	/** Connects to nothing yet. @throws {ToolGateError} CONFIG: the URL or a header can't be used. */
	constructor(name: string, settings: UpstreamSettings, options: UpstreamOptions) {
		this.name = name;
		this.#settings = settings;
		this.#options = options;
		this.#health = new Health(name, options.onHealth);
		if ('command' in settings) this.#link = new Stdio(settings, this.#linkOptions());
		else {
			this.#connection = new Connection(name, settings.url, settings.headers);
			const Spoken = { auto: EitherEra, legacy: LegacyHttp, modern: ModernHttp }[settings.era ?? 'auto'];
			this.#link = new Spoken(this.#connection.endpoint, this.#linkOptions());
		}
	}

	get health(): UpstreamHealth {
		return this.#health.seen;
	}

	/** What it speaks, the preferred one first; empty until it was asked. */
	get eras(): readonly Era[] {
		return this.#link.eras;
	}

	/** Opens the session behind an agent's session. Resolves when it is open or can't be: then the first call opens it. */
	async openSession(agentSessionId: string): Promise<void> {
		await this.#link.openSession(agentSessionId);
	}

	async closeSession(agentSessionId: string): Promise<void> {
		await this.#link.closeSession(agentSessionId);
	}

	/** Sends one request, once. Never rejects. */
	async call(call: UpstreamCall): Promise<UpstreamAnswer> {
		const refused = this.#breaker.refuses();
		if (refused !== undefined) return { kind: 'not_sent', why: refused };
		const answer = await this.#send(call);
		this.#breaker.record(answer);
		return answer;
	}

	/** A notification of the agent, where its session can hear it. */
	notify(agentSessionId: string, message: JsonObject): void {
		this.#link.notify(agentSessionId, message);
	}

	/** What the upstream said to `initialize` in the gateway's own session, or to `server/discover` in the same form. @throws {Error} why there is none. */
	async initializeResult(): Promise<JsonObject> {
		return this.#link.introduction();
	}

	/** One request of the gateway's own, such as `tools/list`; the breaker doesn't hold it back. @throws {Error} why there is no result. */
	async request(method: string, params: JsonObject): Promise<JsonObject> {
		const message = { jsonrpc: '2.0', id: 0, method, params };
		const timeoutMs = Math.min(this.#settings.timeoutMs, DISCOVERY_TIMEOUT_MS);
		const answer = await this.#send({ upstream: this.name, message, timeoutMs, downstream: NOBODY });
		if (answer.kind !== 'answered') throw new Error(answer.why);
		const { result, error } = answer.message;
		if (isObject(result)) return result;
		throw new RequestRefused(method, isObject(error) ? error : {});
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
		await this.#link.close();
		await this.#connection?.close();
	}

	async #send(call: UpstreamCall): Promise<UpstreamAnswer> {
		if (this.#closing.signal.aborted) return { kind: 'not_sent', why: 'the gateway is closing' };
		const bound: BoundCall = {
			...call,
			timeoutMs: call.timeoutMs ?? this.#settings.timeoutMs,
			maxResultBytes: call.maxResultBytes ?? this.#options.maxResultBytes,
		};
		this.#running++;
		try {
			return await this.#link.call(bound);
		} finally {
			if (--this.#running === 0) this.#onIdle?.();
		}
	}

	#linkOptions(): LinkOptions {
		const { maxResultBytes, version, onStale, onNotification, onLine, agentParams, memoryOf } = this.#options;
		return {
			name: this.name,
			timeoutMs: this.#settings.timeoutMs,
			maxMessageBytes: maxResultBytes,
			serverRequests: this.#settings.serverRequests ?? [],
			version,
			agentParams,
			memoryOf,
			onUp: () => {
				this.#breaker.close();
				this.#health.up();
			},
			onDown: (why) => this.#health.down(why),
			onStale,
			onNotification: (agentSessionId, message) => {
				// Agents hear of it when the new list is served, and not before.
				if (LIST_CHANGED.test(String(message['method']))) onStale();
				else onNotification(agentSessionId, message);
			},
			onLine,
			onNote: (says) => {
				this.#health.note(says);
				onLine(says);
			},
		};
	}
}

/** The upstream answered a request of the gateway's own with a JSON-RPC error. */
export class RequestRefused extends Error {
	override readonly name = 'RequestRefused';
	/** JSON-RPC code; NaN where the upstream gave none. */
	readonly code: number;
	constructor(method: string, error: JsonObject) {
		super(`${method} failed: ${String(error['message'] ?? 'no result').slice(0, 200)}`);
		this.code = Number(error['code']);
	}
}
