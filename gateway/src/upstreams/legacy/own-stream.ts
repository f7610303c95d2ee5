import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { EventStreamParser } from '../http/event-stream.ts';
import { type AnswerReader, exchange } from '../http/exchange.ts';
import type { Endpoint } from './handshake.ts';
import { type Incoming, readMessage } from './messages.ts';

/** Silence after which a stream is opened anew: a peer that vanished sends no reset. */
const IDLE_MS = 300_000;
const REOPEN_MS = 1_000;
const MIN_REOPEN_MS = 100;
const MAX_EVENT_BYTES = 1_048_576;

export interface OwnStreamEvents {
	onMessage(message: Incoming): void;
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
	while (!signal.aborted) {
		const reader = new StreamReader(events.onMessage);
		const end = await exchange(dispatcher, { path, method: 'GET', headers, idleMs: IDLE_MS, signal }, reader);
		if (signal.aborted) break;
		if (!reader.isOpen) return end.kind === 'status' && end.status !== 404 ? 'not_offered' : 'lost';
		events.onGap();
		await delay(Math.max(reader.retryMs ?? REOPEN_MS, MIN_REOPEN_MS), undefined, { signal, ref: false }).catch(() => {});
	}
	return 'ended';
}

class StreamReader implements AnswerReader<{ readonly kind: 'status'; readonly status: number }> {
	readonly #parser = new EventStreamParser(MAX_EVENT_BYTES);
	readonly #onMessage: (message: Incoming) => void;
	isOpen = false;
	retryMs: number | undefined;

	constructor(onMessage: (message: Incoming) => void) {
		this.#onMessage = onMessage;
	}

	head(status: number, headers: IncomingHttpHeaders) {
		this.isOpen = status === 200 && headers['content-type']?.startsWith('text/event-stream') === true;
		return this.isOpen ? undefined : { kind: 'status' as const, status };
	}

	chunk(bytes: Buffer): undefined {
		for (const event of this.#parser.push(bytes)) {
			this.retryMs = event.retryMs ?? this.retryMs;
			if (event.data.length > 0) this.#onMessage(readMessage(event.data));
		}
	}

	end() {
		return { kind: 'status' as const, status: 200 };
	}
}
