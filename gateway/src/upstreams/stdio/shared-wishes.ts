import type { JsonObject } from '../../domain.ts';
import { isObject } from '../messages.ts';
import { Subscriptions } from '../subscriptions.ts';

/** The least first (RFC 5424). */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

const request = (method: string, params: JsonObject): JsonObject => ({ jsonrpc: '2.0', id: 0, method, params });

/** What agent sessions want of a session that they share: each resource is subscribed to once, and the log level is the lowest wanted. */
export class SharedWishes {
	readonly #subscriptions = new Subscriptions();
	readonly #levels = new Map<string, string>();

	/** What has to be said to the upstream for this request of an agent session: mostly the request itself; undefined where nothing has. */
	toSend(message: JsonObject, agentSessionId: string | undefined): JsonObject | undefined {
		if (agentSessionId === undefined) return message;
		const { method } = message;
		const { uri, level } = isObject(message['params']) ? message['params'] : {};
		if (method === 'resources/subscribe' && typeof uri === 'string')
			return this.#subscriptions.add(uri, agentSessionId) ? message : undefined;
		if (method === 'resources/unsubscribe' && typeof uri === 'string')
			return this.#subscriptions.remove(uri, agentSessionId) ? message : undefined;
		if (method !== 'logging/setLevel' || typeof level !== 'string' || !LEVELS.includes(level)) return message;
		const before = this.#level;
		this.#levels.set(agentSessionId, level);
		return this.#level === before ? undefined : request('logging/setLevel', { level: this.#level! });
	}

	/** The upstream did not grant the request. */
	refused(message: JsonObject, agentSessionId: string | undefined): void {
		const uri = isObject(message['params']) ? message['params']['uri'] : undefined;
		if (message['method'] === 'resources/subscribe' && typeof uri === 'string' && agentSessionId !== undefined)
			this.#subscriptions.remove(uri, agentSessionId);
	}

	/** An agent session ends; returns what has to be said to the upstream. */
	leave(agentSessionId: string): JsonObject[] {
		this.#levels.delete(agentSessionId);
		return this.#subscriptions.drop(agentSessionId).map((uri) => request('resources/unsubscribe', { uri }));
	}

	subscribersOf(uri: string): readonly string[] {
		return this.#subscriptions.of(uri);
	}

	/** All of it, for a session in place of a lost one. */
	get all(): JsonObject[] {
		const level = this.#level;
		return [
			...(level === undefined ? [] : [request('logging/setLevel', { level })]),
			...this.#subscriptions.uris.map((uri) => request('resources/subscribe', { uri })),
		];
	}

	get #level(): string | undefined {
		const wanted = new Set(this.#levels.values());
		return LEVELS.find((level) => wanted.has(level));
	}
}
