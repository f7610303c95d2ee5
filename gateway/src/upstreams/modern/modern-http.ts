import type { JsonObject } from '../../domain.ts';
import { AnswerReader } from '../answer-reader.ts';
import { CallRelay } from '../call-relay.ts';
import { Deadline } from '../deadline.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange } from '../http/exchange.ts';
import { refusal } from '../http/refusal.ts';
import type { Link, LinkOptions } from '../link.ts';
import { isObject, stripOurMeta } from '../messages.ts';
import { allowedCapabilities, Asks, EVERYTHING } from '../server-requests.ts';
import { Subscriptions } from '../subscriptions.ts';
import type { BoundCall, UpstreamAnswer } from '../upstream-call.ts';
import { type Introduction, META, repeatingHeaders, REVISION, withEnvelope } from './envelope.ts';
import { listen } from './listening.ts';

/** The upstream answered, and what it said is no `server/discover` result of a revision that the gateway speaks. */
export class NotModern extends Error {
	override readonly name = 'NotModern';
}

const DISCOVER_TIMEOUT_MS = 5_000;
const MAX_DISCOVER_BYTES = 1_048_576;
const NOBODY: BoundCall['downstream'] = { notify: () => {}, cancelled: new AbortController().signal };
/** Refusals of the request as such: nothing has run (2026-07-28, "Error Codes"). */
const NOT_TAKEN: Readonly<Record<number, string>> = {
	[-32020]: 'headers and body do not agree for it',
	[-32021]: 'it needs an agent that can be asked for more than this one declared or serverRequests allows',
	[-32022]: `it does not speak MCP ${REVISION}`,
};

/** The modern era over Streamable HTTP: no sessions; every request says all about itself, and one stream listens for changes. */
export class ModernHttp implements Link {
	readonly eras = ['modern'] as const;
	readonly #endpoint: Endpoint;
	readonly #options: LinkOptions;
	readonly #own: Introduction;
	readonly #subscriptions = new Subscriptions();
	readonly #levels = new Map<string, string>();
	readonly #closing = new AbortController();
	/** Of the stream that listens. */
	#listening: AbortController | undefined;
	#nextId = 1;

	constructor(endpoint: Endpoint, options: LinkOptions) {
		this.#endpoint = endpoint;
		this.#options = options;
		this.#own = {
			clientInfo: { name: 'toolgate', version: options.version },
			clientCapabilities: allowedCapabilities(EVERYTHING, options.serverRequests),
		};
	}

	/** In the form of an `initialize` result. @throws {NotModern} {Error} it could not be reached. */
	async introduction(): Promise<JsonObject> {
		const timeoutMs = Math.min(DISCOVER_TIMEOUT_MS, this.#options.timeoutMs);
		const message = { jsonrpc: '2.0', id: 0, method: 'server/discover', params: {} };
		const answer = await this.call({
			upstream: this.#options.name,
			message,
			timeoutMs,
			maxResultBytes: MAX_DISCOVER_BYTES,
			downstream: NOBODY,
		});
		if (answer.kind === 'not_sent' && answer.isUnreachable) throw new Error(answer.why);
		const result = answer.kind === 'answered' ? answer.message['result'] : undefined;
		const { supportedVersions, ttlMs: _, cacheScope: __, resultType: ___, ...rest } = isObject(result) ? result : {};
		if (!Array.isArray(supportedVersions) || !supportedVersions.includes(REVISION))
			throw new NotModern(answer.kind === 'answered' ? `it does not offer MCP ${REVISION}` : answer.why);
		if (this.#listening === undefined) this.#listen();
		const serverInfo = isObject(rest['_meta']) ? rest['_meta'][META.serverInfo] : undefined;
		return {
			protocolVersion: REVISION,
			capabilities: {},
			serverInfo: serverInfo ?? { name: this.#options.name, version: 'unknown' },
			...rest,
		};
	}

	async openSession(agentSessionId: string): Promise<void> {
		for (const message of this.#options.memoryOf(agentSessionId).requests) this.#keep(message, agentSessionId);
	}

	async closeSession(agentSessionId: string): Promise<void> {
		this.#levels.delete(agentSessionId);
		if (this.#subscriptions.drop(agentSessionId).length > 0) this.#listen();
	}

	async call(call: BoundCall): Promise<UpstreamAnswer> {
		if (call.downstream.cancelled.aborted) return { kind: 'not_sent', why: 'the agent cancelled the call' };
		return this.#keep(call.message, call.sessionId)
			? { kind: 'answered', message: { jsonrpc: '2.0', id: 0, result: {} }, bytes: 2 }
			: this.#send(call);
	}

	notify(): void {
		// Nothing that agents notify of exists here: each request says what its agent can do.
	}

	async close(): Promise<void> {
		this.#closing.abort();
		this.#listening?.abort();
	}

	/** What a session would keep, and here the gateway does. True where the request was of that kind. */
	#keep(message: JsonObject, sessionId: string | undefined): boolean {
		if (sessionId === undefined) return false;
		const { method, params } = message;
		const { uri, level } = isObject(params) ? params : {};
		if (method === 'logging/setLevel' && typeof level === 'string') this.#levels.set(sessionId, level);
		else if (method === 'resources/subscribe' && typeof uri === 'string') {
			if (this.#subscriptions.add(uri, sessionId)) this.#listen();
		} else if (method === 'resources/unsubscribe' && typeof uri === 'string') {
			if (this.#subscriptions.remove(uri, sessionId)) this.#listen();
		} else return false;
		this.#options.memoryOf(sessionId).granted(message);
		return true;
	}

	async #send(call: BoundCall): Promise<UpstreamAnswer> {
		const { maxResultBytes, downstream } = call;
		const deadline = new Deadline(call.timeoutMs);
		const id = this.#nextId++;
		const relay = new CallRelay(call.message, id, {
			downstream,
			maxRelayedBytes: maxResultBytes,
			// In this era an upstream asks by its result.
			asks: new Asks({ allowed: [], downstream, deadline, reply: () => {} }),
			onNotification: (message) => this.#onNotification(message),
		});
		const request = withEnvelope(relay.request, this.#introductionOf(call));
		const reader = new AnswerReader(id, maxResultBytes, (incoming, bytes) => relay.take(incoming, bytes));
		const { dispatcher, path } = this.#endpoint;
		const headers = [...this.#endpoint.headers, ...repeatingHeaders(request, call.definition)];
		// Closing the stream of the answer is how a call is cancelled here.
		const end = await exchange(
			dispatcher,
			{ path, method: 'POST', headers, body: JSON.stringify(request), deadline, signal: downstream.cancelled },
			reader,
		);
		if (end.kind !== 'failed') this.#options.onUp();
		switch (end.kind) {
			case 'answered':
				return this.#toAnswer(end.message, end.bytes, end.status);
			case 'too_large':
			case 'broken':
				return end;
			case 'paused':
				return { kind: 'broken', why: 'the stream ended before the answer' };
			case 'refused':
				return refusal(end.status, end.error, false) as UpstreamAnswer;
			case 'failed': {
				const { isSent, isTimeout, why } = end;
				if (downstream.cancelled.aborted)
					return isSent
						? { kind: 'broken', why: 'the agent cancelled the call' }
						: { kind: 'not_sent', why: 'the agent cancelled the call' };
				if (!isTimeout) this.#options.onDown(why);
				if (isSent) return isTimeout ? { kind: 'timed_out', why: `waited ${deadline.totalMs} ms` } : { kind: 'broken', why };
				return isTimeout
					? { kind: 'not_sent', why: `no connection within ${deadline.totalMs} ms` }
					: { kind: 'not_sent', why, isUnreachable: true };
			}
		}
	}

	#toAnswer(message: JsonObject, bytes: number, status: number): UpstreamAnswer {
		const error = isObject(message['error']) ? message['error'] : {};
		const why = status === 400 ? NOT_TAKEN[Number(error['code'])] : undefined;
		if (why === undefined) return { kind: 'answered', message: stripOurMeta(message), bytes };
		const requiredCapabilities = isObject(error['data']) ? error['data']['requiredCapabilities'] : undefined;
		if (isObject(requiredCapabilities)) return { kind: 'not_sent', why, requiredCapabilities };
		// What it offers, or how it is spoken to, is not what the gateway thinks.
		this.#options.onStale();
		return { kind: 'not_sent', why };
	}

	/** A modern agent speaks for itself in the message; a legacy one can't be asked here. */
	#introductionOf({ message: { params }, sessionId, principalId }: BoundCall): Introduction {
		const meta = isObject(params) && isObject(params['_meta']) ? params['_meta'] : {};
		const declared = meta[META.clientCapabilities];
		const clientInfo = meta[META.clientInfo];
		if (isObject(declared)) {
			return {
				clientInfo: isObject(clientInfo) ? clientInfo : this.#own.clientInfo,
				clientCapabilities: allowedCapabilities(declared, this.#options.serverRequests),
			};
		}
		if (sessionId === undefined && principalId === undefined) return this.#own;
		const agent = sessionId === undefined ? undefined : this.#options.agentParams(sessionId)?.['clientInfo'];
		const logLevel = this.#levels.get(sessionId ?? '');
		return {
			clientInfo: isObject(agent) ? agent : this.#own.clientInfo,
			clientCapabilities: {},
			...(logLevel === undefined ? {} : { logLevel }),
		};
	}

	/** Listens for what is wanted now; what was listened to before ends when that is heard. */
	#listen(): void {
		if (this.#closing.signal.aborted) return;
		const before = this.#listening;
		const now = new AbortController();
		this.#listening = now;
		const makeRequest = () => {
			const uris = this.#subscriptions.uris;
			const notifications = {
				toolsListChanged: true,
				promptsListChanged: true,
				resourcesListChanged: true,
				...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
			};
			return withEnvelope({ jsonrpc: '2.0', id: this.#nextId++, method: 'subscriptions/listen', params: { notifications } }, this.#own);
		};
		void listen(this.#endpoint, makeRequest, now.signal, {
			onAcknowledged: () => before?.abort(),
			onNotification: (message) => this.#onNotification(stripOurMeta(message)),
			onGap: () => this.#options.onStale(),
		}).finally(() => {
			before?.abort();
			// The next look tries again.
			if (this.#listening === now) this.#listening = undefined;
		});
	}

	#onNotification(message: JsonObject): void {
		const { onNotification } = this.#options;
		if (message['method'] !== 'notifications/resources/updated') return onNotification(undefined, message);
		const uri = isObject(message['params']) ? String(message['params']['uri']) : '';
		for (const agentSessionId of this.#subscriptions.of(uri)) onNotification(agentSessionId, message);
	}
}
