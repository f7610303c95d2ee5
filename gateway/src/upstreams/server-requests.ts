import type { Downstream, JsonObject } from '../domain.ts';
import type { Deadline } from './deadline.ts';
import { stripOurMeta } from './messages.ts';

/** What an upstream may ask of an agent, by the capability with which an agent says that it can be asked. */
export const SERVER_REQUESTS = ['elicitation', 'sampling', 'roots'] as const;
export type ServerRequest = (typeof SERVER_REQUESTS)[number];

const KINDS: Readonly<Record<string, ServerRequest>> = {
	'elicitation/create': 'elicitation',
	'sampling/createMessage': 'sampling',
	'roots/list': 'roots',
};

/** What an agent declares that can be asked everything. */
export const EVERYTHING: JsonObject = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

/** What upstreams are told that they may ask: what the agent declared, as far as the configuration allows it. */
export function allowedCapabilities(declared: JsonObject, allowed: readonly ServerRequest[]): JsonObject {
	return Object.fromEntries(Object.entries(declared).filter(([name]) => allowed.some((kind) => kind === name)));
}

type RequestId = number | string;

export interface AsksDeps {
	readonly allowed: readonly ServerRequest[];
	readonly downstream: Downstream;
	/** Of the call inside which the upstream asks. */
	readonly deadline: Deadline;
	/** Sends a response to the upstream. */
	reply(message: JsonObject): void;
}

const MAX_OPEN = 8;
/** A question that nobody answers is taken back. */
const ANSWER_WITHIN_MS = 600_000;
const METHOD_NOT_FOUND = -32601;
const INVALID_REQUEST = -32600;
const INTERNAL_ERROR = -32603;

/** The requests of an upstream inside one call, on their way to the agent and back. */
export class Asks {
	readonly #deps: AsksDeps;
	readonly #open = new Map<RequestId, AbortController>();

	constructor(deps: AsksDeps) {
		this.#deps = deps;
	}

	take(id: RequestId, method: string, message: JsonObject): void {
		const refused = this.#whyNot(id, method);
		if (method === 'ping') this.#reply(id, { result: {} });
		else if (refused !== undefined) this.#reply(id, { error: refused });
		else void this.#ask(id, message);
	}

	/** The upstream takes a request back (`notifications/cancelled`). False when it is none of this call's. */
	withdraw(id: unknown): boolean {
		const asking = this.#open.get(id as RequestId);
		asking?.abort();
		return asking !== undefined;
	}

	/** The call is over, or the agent gave it up: what was asked for it is asked no more, and late answers go nowhere. */
	end(): void {
		for (const asking of this.#open.values()) asking.abort();
	}

	#whyNot(id: RequestId, method: string): JsonObject | undefined {
		const kind = Object.hasOwn(KINDS, method) ? KINDS[method] : undefined;
		const { allowed, downstream } = this.#deps;
		if (kind === undefined) return { code: METHOD_NOT_FOUND, message: `ToolGate does not relay ${method.slice(0, 100)}` };
		if (!allowed.includes(kind)) return { code: METHOD_NOT_FOUND, message: `serverRequests of this upstream does not list ${kind}` };
		if (downstream.request === undefined || !Object.hasOwn(downstream.clientCapabilities ?? {}, kind))
			return { code: METHOD_NOT_FOUND, message: `the agent did not declare ${kind}` };
		if (this.#open.has(id)) return { code: INVALID_REQUEST, message: 'a request with this id is open' };
		return this.#open.size >= MAX_OPEN ? { code: INTERNAL_ERROR, message: `${MAX_OPEN} requests of this call are open` } : undefined;
	}

	async #ask(id: RequestId, message: JsonObject): Promise<void> {
		const { downstream, deadline } = this.#deps;
		const withdrawn = new AbortController();
		this.#open.set(id, withdrawn);
		deadline.pause();
		const late = setTimeout(() => withdrawn.abort('late'), ANSWER_WITHIN_MS);
		let payload: JsonObject;
		try {
			const { result, error } = await downstream.request!(stripOurMeta(message), withdrawn.signal);
			payload = error === undefined ? { result: result ?? {} } : { error };
		} catch {
			const why = withdrawn.signal.reason === 'late' ? `the agent did not answer within ${ANSWER_WITHIN_MS} ms` : 'the agent is gone';
			payload = { error: { code: INTERNAL_ERROR, message: why } };
		}
		clearTimeout(late);
		this.#open.delete(id);
		deadline.resume();
		if (!withdrawn.signal.aborted || withdrawn.signal.reason === 'late') this.#reply(id, payload);
	}

	#reply(id: RequestId, payload: JsonObject): void {
		this.#deps.reply({ jsonrpc: '2.0', id, ...payload });
	}
}
