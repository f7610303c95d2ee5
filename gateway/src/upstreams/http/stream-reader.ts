import type { IncomingHttpHeaders } from 'node:http';
import { FLOOD_PAUSE_MS, FloodGate } from '../flood-gate.ts';
import { type Incoming, readMessage } from '../messages.ts';
import { EventStreamParser } from './event-stream.ts';
import type { AnswerReader } from './exchange.ts';

const MAX_EVENT_BYTES = 1_048_576;

/** `bytes`: of the message as it came. */
export type OnMessage = (message: Incoming, bytes: number) => void;

/** Reads a stream of events that is held open, message by message. */
export class StreamReader implements AnswerReader<{ readonly kind: 'status'; readonly status: number }> {
	readonly #parser = new EventStreamParser(MAX_EVENT_BYTES);
	readonly #onMessage: OnMessage;
	readonly #gate = new FloodGate();
	#isFlooded = false;
	#retryMs: number | undefined;
	/** Whether it is a stream at all. */
	isOpen = false;
	lastEventId: string | undefined;

	constructor(onMessage: OnMessage) {
		this.#onMessage = onMessage;
	}

	/** How long to wait before the stream is opened again; undefined where the upstream doesn't say. */
	get retryMs(): number | undefined {
		return this.#isFlooded ? FLOOD_PAUSE_MS : this.#retryMs;
	}

	head(status: number, headers: IncomingHttpHeaders) {
		this.isOpen = status === 200 && headers['content-type']?.startsWith('text/event-stream') === true;
		return this.isOpen ? undefined : { kind: 'status' as const, status };
	}

	/** Ends the stream when it floods: reading that takes time from everybody. */
	chunk(bytes: Buffer) {
		this.#isFlooded = this.#gate.isFlooded(bytes.length);
		if (this.#isFlooded) return { kind: 'status' as const, status: 200 };
		for (const event of this.#parser.push(bytes)) {
			this.#retryMs = event.retryMs ?? this.#retryMs;
			this.lastEventId = event.id ?? this.lastEventId;
			if (event.data.length > 0) this.#onMessage(readMessage(event.data), event.data.length);
		}
		return undefined;
	}

	end() {
		return { kind: 'status' as const, status: 200 };
	}
}
