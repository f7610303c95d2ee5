import { canonicalJson } from '../../canonical-json.ts';
import type { Caller, JsonObject, JsonValue } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import type { Keys } from '../../keys.ts';

/** A person answers within this; whatever comes later begins anew. */
const TTL_MS = 600_000;
/** Of what an upstream or an agent wants to have kept for the next round. */
const MAX_BYTES = 65_536;

/** What a state of ours holds between two rounds of one request. */
export interface Carried {
	/** The upstream's own, which it gets back byte for byte. */
	readonly upstreamState?: string;
	/** What the agent had answered already when the request had to wait for a person. */
	readonly inputResponses?: JsonObject;
}

/** Whose request a state belongs to: the same state from anyone else, or with anything else, opens nothing. */
export interface StateOwner {
	readonly caller: Caller;
	readonly method: string;
	/** As the agent says it. */
	readonly name: string;
	readonly arguments: JsonObject;
}

/** `requestState` between agents and the gateway: sealed, bound to principal, agent, method, name and arguments, and short-lived. */
export class RequestStates {
	readonly #keys: Pick<Keys, 'seal' | 'open'>;
	readonly #nowMs: () => number;

	constructor(keys: Pick<Keys, 'seal' | 'open'>, nowMs: () => number) {
		this.#keys = keys;
		this.#nowMs = nowMs;
	}

	/** Undefined where there is too much to carry. */
	seal(carried: Carried, owner: StateOwner): string | undefined {
		const plain = Buffer.from(JSON.stringify({ ...carried, expiresAtMs: this.#nowMs() + TTL_MS }));
		return plain.length > MAX_BYTES ? undefined : Buffer.from(this.#keys.seal(plain, contextOf(owner))).toString('base64url');
	}

	/** Undefined where it is none of ours, somebody else's, for another request, or expired. */
	open(state: JsonValue, owner: StateOwner): Carried | undefined {
		if (typeof state !== 'string') return undefined;
		const box = Buffer.from(state, 'base64url');
		// There is one way to write a box; readers of base64 take others too.
		const plain = box.toString('base64url') === state ? this.#keys.open(box, contextOf(owner)) : undefined;
		if (plain === undefined) return undefined;
		const { upstreamState, inputResponses, expiresAtMs } = JSON.parse(Buffer.from(plain).toString()) as JsonObject;
		if ((expiresAtMs as number) <= this.#nowMs()) return undefined;
		return {
			...(typeof upstreamState === 'string' ? { upstreamState } : {}),
			...(isObject(inputResponses) ? { inputResponses } : {}),
		};
	}
}

const contextOf = ({ caller, method, name, arguments: args }: StateOwner): string =>
	JSON.stringify(['requestState', caller.principal.id, caller.agent.id, method, name, canonicalJson(args)]);
