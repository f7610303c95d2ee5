import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '../../domain.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange } from '../http/exchange.ts';
import { StreamReader } from '../http/stream-reader.ts';
import { type Incoming, isObject } from '../messages.ts';
import { META, repeatingHeaders } from './envelope.ts';

const REOPEN_MS = 1_000;

export interface ListeningEvents {
	/** The upstream has said what of it will be told. */
	onAcknowledged(): void;
	onNotification(message: JsonObject): void;
	/** The stream was away for a moment. */
	onGap(): void;
}

/**
 * Listens for changes (`subscriptions/listen`, 2026-07-28), opening the stream again whenever it breaks off, until `signal` ends it, or the
 * upstream does: by an answer, which says that there is nothing to listen to.
 */
export async function listen(
	endpoint: Endpoint,
	makeRequest: () => JsonObject,
	signal: AbortSignal,
	events: ListeningEvents,
): Promise<void> {
	while (!signal.aborted) {
		const request = makeRequest();
		let isAnswered = false;
		const reader = new StreamReader((incoming) => {
			if (incoming.kind === 'response' || incoming.kind === 'error') isAnswered = true;
			else if (isOurs(incoming, request['id'])) take(incoming.message, events);
		});
		const headers = [...endpoint.headers, ...repeatingHeaders(request, undefined)];
		const end = await exchange(
			endpoint.streams,
			{ path: endpoint.path, method: 'POST', headers, body: JSON.stringify(request), signal },
			reader,
		);
		if (signal.aborted || isAnswered) return;
		if (!reader.isOpen && end.kind === 'status' && end.status < 500) return;
		await delay(reader.retryMs ?? REOPEN_MS, undefined, { signal, ref: false }).catch(() => {});
		if (!signal.aborted) events.onGap();
	}
}

/** Every message of the stream carries the id of the request; what carries another one is somebody else's. */
function isOurs(incoming: Incoming, id: unknown): incoming is Extract<Incoming, { kind: 'notification' }> {
	if (incoming.kind !== 'notification') return false;
	const { params } = incoming.message;
	return isObject(params) && isObject(params['_meta']) && params['_meta'][META.subscriptionId] === id;
}

function take(message: JsonObject, { onAcknowledged, onNotification }: ListeningEvents): void {
	if (message['method'] === 'notifications/subscriptions/acknowledged') return onAcknowledged();
	const { _meta, ...params } = message['params'] as JsonObject;
	const { [META.subscriptionId]: _, ...meta } = _meta as JsonObject;
	onNotification({ ...message, params: Object.keys(meta).length === 0 ? params : { ...params, _meta: meta } });
}
