import { randomUUID } from 'node:crypto';
import type { Caller, JsonObject, JsonValue } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import type { CallCap } from '../call-cap.ts';
import { readRelayed, uriOf } from '../decided-request.ts';
import type { AgentSession, Exchange, Gate, ListKind } from '../exchange.ts';
import { type RequestId, type RpcRequest, rpcResult } from '../message.ts';
import { relayedCapabilities } from '../relayed-capabilities.ts';
import { Listener } from './listener.ts';
import type { ModernStreams } from './event-streams.ts';
import { toModern } from './results.ts';
import { META } from './revision.ts';

export interface ListeningOptions {
	readonly gate: Gate;
	readonly calls: CallCap;
	readonly streams: ModernStreams;
	/** Open at once. */
	readonly limits: { readonly perPrincipal: number; readonly total: number };
}

const MAX_URIS = 100;
const LIST_FILTERS = {
	toolsListChanged: 'tools',
	promptsListChanged: 'prompts',
	resourcesListChanged: 'resources',
} as const satisfies Record<string, ListKind>;

/** `subscriptions/listen`: streams on which agents without sessions hear of changes. */
export class Listening {
	readonly #options: ListeningOptions;
	/** By the session that stands for each towards upstreams. */
	readonly #open = new Map<string, Listener>();

	constructor(options: ListeningOptions) {
		this.#options = options;
	}

	/** Opens the stream. @throws {ToolGateError} INVALID_PARAMS, TOO_MANY_STREAMS, UPSTREAM_UNAVAILABLE; {PolicyError} */
	async listen(request: RpcRequest, caller: Caller, { upstream, openStream, onDisconnect }: Exchange): Promise<void> {
		const filter = request.params['notifications'];
		if (!isObject(filter)) throw new ToolGateError('INVALID_PARAMS', 'params.notifications is not an object');
		const asked = urisOf(filter['resourceSubscriptions']);
		this.#demandRoom(caller.principal.id);
		const session: AgentSession = { id: randomUUID(), principalId: caller.principal.id, upstream };
		const listener = new Listener(request.id, caller, this.#options.gate);
		this.#open.set(session.id, listener);
		const leave = () => this.#leave(session, listener);
		onDisconnect(leave);
		try {
			const offers = relayedCapabilities(await this.#options.gate.describe(upstream));
			const lists = Object.entries(LIST_FILTERS).filter(([name, kind]) => filter[name] === true && kind in offers);
			for (const [, kind] of lists) listener.lists.add(kind);
			const canSubscribe = isObject(offers['resources']) && offers['resources']['subscribe'] === true;
			if (canSubscribe && asked.length > 0) await this.#subscribe(asked, { request, caller, session, listener });
			if (!this.#open.has(session.id)) return;
			const uris = [...listener.uris];
			const honoured: JsonObject = {
				...Object.fromEntries(lists.map(([name]) => [name, true])),
				...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
			};
			const stream = this.#options.streams.open(openStream());
			listener.begin(stream, honoured);
			// Nothing will ever be said on it.
			if (Object.keys(honoured).length === 0) this.#end(session, listener);
		} catch (error) {
			leave();
			throw error;
		}
	}

	listsChanged(changed: ReadonlySet<ListKind>): void {
		for (const listener of this.#open.values()) listener.listsChanged(changed);
	}

	/** A notification that an upstream sent outside of calls. False when nobody here is to hear it. */
	relay(sessionId: string, message: JsonObject): boolean {
		const listener = this.#open.get(sessionId);
		return listener !== undefined && listener.resourceUpdated(message);
	}

	/** Ends all streams, and says so on them. */
	close(): void {
		for (const listener of this.#open.values()) listener.end(endOf(listener.id));
	}

	/** Each resource is decided like a read; what is refused is not part of what is acknowledged. */
	async #subscribe(
		uris: readonly string[],
		{ request, caller, session, listener }: { request: RpcRequest; caller: Caller; session: AgentSession; listener: Listener },
	): Promise<void> {
		const { gate, calls } = this.#options;
		const downstream = { notify: () => {}, cancelled: listener.gone };
		await gate.openSession(session, {
			capabilities: {},
			clientInfo: { name: caller.agent.name ?? caller.agent.id, version: caller.agent.version ?? '' },
		});
		for (const uri of uris) {
			const { _meta = {} } = request.params;
			const message: JsonObject = { jsonrpc: '2.0', id: request.id, method: 'resources/subscribe', params: { uri, _meta } };
			const subscribing = readRelayed(
				{ ...request, method: 'resources/subscribe', params: message['params'] as JsonObject, message },
				{ caller, downstream },
			);
			const outcome = await calls.decide({ ...subscribing, upstreamSession: session.id, waits: false }, session.upstream);
			if (outcome.kind === 'answered' && 'result' in outcome.answer) listener.uris.add(uri);
		}
	}

	#demandRoom(principalId: string): void {
		const { total, perPrincipal } = this.#options.limits;
		let own = 0;
		for (const { caller } of this.#open.values()) if (caller.principal.id === principalId) own++;
		if (own >= perPrincipal || this.#open.size >= total)
			throw new ToolGateError('TOO_MANY_STREAMS', `${own} streams of ${principalId} are open: close one first`);
	}

	#end(session: AgentSession, listener: Listener): void {
		listener.end(endOf(listener.id));
		this.#leave(session, listener);
	}

	#leave(session: AgentSession, listener: Listener): void {
		if (!this.#open.delete(session.id)) return;
		listener.leave();
		this.#options.gate.sessionEnded(session);
	}
}

const endOf = (id: RequestId): JsonObject => toModern(id, 'subscriptions/listen', rpcResult(id, { _meta: { [META.subscriptionId]: id } }));

function urisOf(value: JsonValue | undefined): string[] {
	if (value === undefined) return [];
	if (!Array.isArray(value) || value.length > MAX_URIS)
		throw new ToolGateError('INVALID_PARAMS', `params.notifications.resourceSubscriptions is not a list of at most ${MAX_URIS} URIs`);
	return [...new Set(value.map((uri, index) => uriOf(uri, `params.notifications.resourceSubscriptions[${index}]`)))];
}
