import type { IncomingHttpHeaders } from 'node:http';
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
	/** Whether it is a stream at all. */
	isOpen = false;
	retryMs: number | undefined;
	lastEventId: string | undefined;

	constructor(onMessage: OnMessage) {
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
