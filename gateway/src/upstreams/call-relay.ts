import type { JsonObject, JsonValue } from '../domain.ts';
import { type Incoming, isObject, stripOurMeta } from './messages.ts';
import type { UpstreamCall } from './upstream-call.ts';
import type { Asks } from './server-requests.ts';

/** What belongs to no call, on whatever stream it comes. */
const OF_NO_CALL = /^notifications\/((tools|resources|prompts|roots)\/list_changed|resources\/updated)$/;

export interface CallRelayDeps {
	readonly downstream: UpstreamCall['downstream'];
	/** More notifications than this, in bytes, are dropped: an agent's stream is not for storms. */
	readonly maxRelayedBytes: number;
	/** Where requests of the upstream go. */
	readonly asks: Asks;
	/** A notification that belongs to no call. */
	onNotification(message: JsonObject): void;
}

/** The messages of one call: the request as it goes up under an id of ours, and what comes back before the answer. */
export class CallRelay {
	/** The request with our id, our progress token and none of the keys that only ToolGate may set. */
	readonly request: JsonObject;
	readonly #id: number;
	readonly #agentToken: JsonValue | undefined;
	readonly #deps: CallRelayDeps;
	#progress = -Infinity;
	#relayedBytes = 0;

	constructor(message: JsonObject, id: number, deps: CallRelayDeps) {
		this.#id = id;
		this.#deps = deps;
		const clean = stripOurMeta(message);
		const params = clean['params'];
		const meta = isObject(params) ? params['_meta'] : undefined;
		this.#agentToken = isObject(meta) ? meta['progressToken'] : undefined;
		// Ours goes up instead of the agent's: callers that share an upstream session may have chosen the same one.
		this.request =
			this.#agentToken === undefined
				? { ...clean, id }
				: { ...clean, id, params: { ...(params as JsonObject), _meta: { ...(meta as JsonObject), progressToken: id } } };
	}

	/** Takes one message that came before the answer. */
	take(incoming: Incoming, bytes: number): void {
		if (incoming.kind === 'request') this.#deps.asks.take(incoming.id, incoming.method, incoming.message);
		if (incoming.kind !== 'notification') return;
		const { method, message } = incoming;
		if (OF_NO_CALL.test(method)) this.#deps.onNotification(stripOurMeta(message));
		else if (method === 'notifications/cancelled')
			this.#deps.asks.withdraw(isObject(message['params']) ? message['params']['requestId'] : undefined);
		else this.#relay(method === 'notifications/progress' ? this.#withAgentToken(message) : message, bytes);
	}

	/** The call is over: the agent hears no more of it. */
	end(): void {
		this.#deps.asks.end();
	}

	#relay(message: JsonObject | undefined, bytes: number): void {
		if (message === undefined) return;
		this.#relayedBytes += bytes;
		if (this.#relayedBytes <= this.#deps.maxRelayedBytes) this.#deps.downstream.notify(stripOurMeta(message));
	}

	/** Progress under the agent's own token; undefined when it asked for none, and for what is not this call's or does not rise. */
	#withAgentToken(message: JsonObject): JsonObject | undefined {
		const { params } = message;
		if (!isObject(params) || this.#agentToken === undefined || params['progressToken'] !== this.#id) return undefined;
		const { progress } = params;
		if (typeof progress !== 'number' || progress <= this.#progress) return undefined;
		this.#progress = progress;
		return { ...message, params: { ...params, progressToken: this.#agentToken } };
	}
}

/**
 * Which of the calls under way a message belongs to that came outside of any: progress says so itself, and what is only said to somebody
 * belongs to the one call there is. With several it is nobody's: it may hold what only one of them may see.
 */
export function callOf(incoming: Incoming, underWay: ReadonlyMap<number, CallRelay>): CallRelay | undefined {
	if (incoming.kind === 'notification' && incoming.method === 'notifications/progress') {
		const { params } = incoming.message;
		return underWay.get(isObject(params) ? (params['progressToken'] as number) : NaN);
	}
	return underWay.size === 1 ? underWay.values().next().value : undefined;
}
