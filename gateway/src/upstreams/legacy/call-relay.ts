import type { JsonObject, JsonValue } from '../../domain.ts';
import type { UpstreamCall } from '../upstream-call.ts';
import { type Incoming, isObject, stripOurMeta } from './messages.ts';

/** What the gateway takes care of itself; everything else on a call's stream goes to the agent that made the call. */
const KEPT = /^notifications\/(cancelled|(tools|resources|prompts|roots)\/list_changed|resources\/updated)$/;

export interface CallRelayDeps {
	readonly downstream: UpstreamCall['downstream'];
	/** More notifications than this, in bytes, are dropped: an agent's stream is not for storms. */
	readonly maxRelayedBytes: number;
	onNotification(method: string): void;
	onRequest(id: number | string, method: string): void;
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
		if (incoming.kind === 'request') this.#deps.onRequest(incoming.id, incoming.method);
		if (incoming.kind !== 'notification') return;
		this.#deps.onNotification(incoming.method);
		if (KEPT.test(incoming.method)) return;
		const message = incoming.method === 'notifications/progress' ? this.#withAgentToken(incoming.message) : incoming.message;
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
