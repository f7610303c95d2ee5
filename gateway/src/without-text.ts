import type { Downstream, JsonObject } from './domain.ts';
import { isObject } from './json-object.ts';

/**
 * The same agent, but what an upstream says before its answer reaches it without any text: result rules judge the answer alone, and what they
 * would withhold or redact must not get through beside it. That a call goes on, and how far it is, is still told.
 */
export function withoutText(downstream: Downstream): Downstream {
	return new Textless(downstream);
}

export const isWithoutText = (downstream: Downstream): boolean => downstream instanceof Textless;

class Textless implements Downstream {
	readonly #downstream: Downstream;
	readonly request: Downstream['request'];

	constructor(downstream: Downstream) {
		this.#downstream = downstream;
		this.request = downstream.request?.bind(downstream);
	}

	notify(message: JsonObject): void {
		const { jsonrpc, method, params } = message;
		if (method !== 'notifications/progress' || !isObject(params)) return;
		const { progressToken, progress, total } = params;
		const numbers = { progress, ...(typeof total === 'number' ? { total } : {}) } as JsonObject;
		this.#downstream.notify({ jsonrpc: jsonrpc!, method, params: { progressToken: progressToken!, ...numbers } });
	}

	get clientCapabilities(): JsonObject {
		return this.#downstream.clientCapabilities ?? {};
	}

	get cancelled(): AbortSignal {
		return this.#downstream.cancelled;
	}
}
