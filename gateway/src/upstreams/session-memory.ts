import type { JsonObject } from '../domain.ts';
import { isObject } from './messages.ts';

/** What an agent session asked of an upstream and was granted: whatever takes the place of the upstream's session is asked the same. */
export class SessionMemory {
	#level: JsonObject | undefined;
	readonly #subscriptions = new Map<string, JsonObject>();

	/** Takes note of a request that the upstream has granted. */
	granted(request: JsonObject): void {
		const { method, params } = request;
		const uri = isObject(params) ? params['uri'] : undefined;
		if (method === 'logging/setLevel') this.#level = request;
		else if (method === 'resources/subscribe' && typeof uri === 'string') this.#subscriptions.set(uri, request);
		else if (method === 'resources/unsubscribe' && typeof uri === 'string') this.#subscriptions.delete(uri);
	}

	get requests(): readonly JsonObject[] {
		return [...(this.#level === undefined ? [] : [this.#level]), ...this.#subscriptions.values()];
	}

	get isEmpty(): boolean {
		return this.#level === undefined && this.#subscriptions.size === 0;
	}
}
