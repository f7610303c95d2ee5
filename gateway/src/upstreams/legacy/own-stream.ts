import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange } from '../http/exchange.ts';
import { type OnMessage, StreamReader } from '../http/stream-reader.ts';

const REOPEN_MS = 1_000;
const MIN_REOPEN_MS = 100;

export interface OwnStreamEvents {
	readonly onMessage: OnMessage;
	/** The stream was away for a moment: something may have been missed. */
	onGap(): void;
}

/**
 * Holds the stream on which an upstream sends messages that belong to no request (Streamable HTTP, "Listening for Messages"), until
 * `signal` ends it, the upstream does not offer one, or the session is gone.
 */
export async function holdOwnStream(
	{ dispatcher, path, headers }: Endpoint,
	signal: AbortSignal,
	events: OwnStreamEvents,
): Promise<'ended' | 'not_offered' | 'lost'> {
	let lastEventId: string | undefined;
	while (!signal.aborted) {
		const reader = new StreamReader(events.onMessage);
		const resumed = lastEventId === undefined ? headers : [...headers, 'last-event-id', lastEventId];
		const end = await exchange(dispatcher, { path, method: 'GET', headers: resumed, signal }, reader);
		lastEventId = reader.lastEventId ?? lastEventId;
		if (signal.aborted) break;
		if (!reader.isOpen) return end.kind === 'status' && end.status !== 404 ? 'not_offered' : 'lost';
		events.onGap();
		await delay(Math.max(reader.retryMs ?? REOPEN_MS, MIN_REOPEN_MS), undefined, { signal, ref: false }).catch(() => {});
	}
	return 'ended';
}
