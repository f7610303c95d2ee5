import type { Caller, JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import type { Gate, ListKind } from '../exchange.ts';
import { type RequestId, withoutOwnMeta } from '../message.ts';
import { isAbout } from '../subscribed.ts';
import type { ModernStream } from './event-streams.ts';
import { META } from './revision.ts';

/** What happens between the first subscription and the acknowledgement waits for it; more than this is a storm. */
const MAX_WAITING = 100;

/** One agent that listens: what it asked for and was granted, and the stream on which it hears. */
export class Listener {
	/** Of its request; every message of the stream carries it. */
	readonly id: RequestId;
	readonly caller: Caller;
	readonly lists = new Set<ListKind>();
	/** As the agent says them. */
	readonly uris = new Set<string>();
	readonly #gate: Pick<Gate, 'isVisible'>;
	readonly #leaving = new AbortController();
	#waiting: JsonObject[] = [];
	#stream: ModernStream | undefined;

	constructor(id: RequestId, caller: Caller, gate: Pick<Gate, 'isVisible'>) {
		this.id = id;
		this.caller = caller;
		this.#gate = gate;
	}

	/** Aborted when the agent has left. */
	get gone(): AbortSignal {
		return this.#leaving.signal;
	}

	/** Acknowledges what is honoured; whatever has happened since comes after that. */
	begin(stream: ModernStream, honoured: JsonObject): void {
		this.#stream = stream;
		this.#say('notifications/subscriptions/acknowledged', { notifications: honoured });
		for (const message of this.#waiting) stream.send(message);
		this.#waiting = [];
	}

	listsChanged(changed: ReadonlySet<ListKind>): void {
		for (const kind of changed) if (this.lists.has(kind)) this.#say(`notifications/${kind}/list_changed`, {});
	}

	/** False where it isn't for this agent. Whether it may see the resource is asked anew: rules change. */
	resourceUpdated({ method, params }: JsonObject): boolean {
		if (method !== 'notifications/resources/updated' || !isObject(params)) return false;
		const { uri } = params;
		const subscribed = typeof uri === 'string' ? [...this.uris].find((one) => isAbout(uri, one)) : undefined;
		if (subscribed === undefined || !this.#gate.isVisible(this.caller, subscribed)) return false;
		this.#say(method, params);
		return true;
	}

	/** Says the last word and ends the stream. */
	end(response: JsonObject): void {
		this.#stream?.send(response);
		this.#stream?.end();
	}

	leave(): void {
		this.#leaving.abort('the agent left');
	}

	#say(method: string, params: JsonObject): void {
		const { _meta } = withoutOwnMeta(params);
		const message: JsonObject = {
			jsonrpc: '2.0',
			method,
			params: { ...params, _meta: { ...(isObject(_meta) ? _meta : {}), [META.subscriptionId]: this.id } },
		};
		if (this.#stream !== undefined) this.#stream.send(message);
		else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(message);
	}
}
