import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint } from '../http/endpoint.ts';
import { EventStreamParser } from '../http/event-stream.ts';
import { type AnswerReader, exchange } from '../http/exchange.ts';
import { type Incoming, readMessage } from '../messages.ts';

/** Silence after which a stream is opened anew: a peer that vanished sends no reset. */
const IDLE_MS = 300_000;
const REOPEN_MS = 1_000;
const MIN_REOPEN_MS = 100;
const MAX_EVENT_BYTES = 1_048_576;

export interface OwnStreamEvents {
	/** `bytes`: of the message as it came. */
	onMessage(message: Incoming, bytes: number): void;
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
		const end = await exchange(dispatcher, { path, method: 'GET', headers: resumed, idleMs: IDLE_MS, signal }, reader);
		lastEventId = reader.lastEventId ?? lastEventId;
		if (signal.aborted) break;
		if (!reader.isOpen) return end.kind === 'status' && end.status !== 404 ? 'not_offered' : 'lost';
		events.onGap();
		await delay(Math.max(reader.retryMs ?? REOPEN_MS, MIN_REOPEN_MS), undefined, { signal, ref: false }).catch(() => {});
	}
	return 'ended';
}

class StreamReader implements AnswerReader<{ readonly kind: 'status'; readonly status: number }> {
	readonly #parser = new EventStreamParser(MAX_EVENT_BYTES);
	readonly #onMessage: OwnStreamEvents['onMessage'];
	isOpen = false;
	retryMs: number | undefined;
	lastEventId: string | undefined;

	constructor(onMessage: OwnStreamEvents['onMessage']) {
		this.#onMessage = onMessage;
	}

	head(status: number, headers: IncomingHttpHeaders) {
		this.isOpen = status === 200 && headers['content-type']?.startsWith('text/event-stream') === true;
		return this.isOpen ? undefined : { kind: 'status' as const, status };
	}

	chunk(bytes: Buffer): undefined {
		for (const event of this.#parser.push(bytes)) {
			this.retryMs = event.retryMs ?? this.retryMs;
			this.lastEventId = event.id ?? this.lastEventId;
			if (event.data.length > 0) this.#onMessage(readMessage(event.data), event.data.length);
		}
	}

	end() {
		return { kind: 'status' as const, status: 200 };
	}
}
