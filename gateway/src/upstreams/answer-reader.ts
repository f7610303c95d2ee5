import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../domain.ts';
import { EventStreamParser, EventTooLarge } from './http/event-stream.ts';
import type { AnswerReader as HttpReader } from './http/exchange.ts';
import { GrowingBuffer } from './http/growing-buffer.ts';
import { type Incoming, isObject, readMessage } from './messages.ts';

/** What the HTTP answer to one JSON-RPC request came to. */
export type Reading =
	| { readonly kind: 'answered'; readonly message: JsonObject; readonly bytes: number; readonly status: number }
	/** A status other than 2xx that does not answer our id; `error` where the body is a JSON-RPC error of the transport. */
	| { readonly kind: 'refused'; readonly status: number; readonly error?: JsonObject }
	/** The stream ended before the answer, and can be taken up again after this event. */
	| { readonly kind: 'paused'; readonly lastEventId: string; readonly retryMs: number | undefined }
	| { readonly kind: 'broken'; readonly why: string }
	| { readonly kind: 'too_large'; readonly why: string };

/** Of a body that says why something was refused; what is longer is not read. */
const REFUSAL_BYTES = 65_536;
/** All that may come on a stream before the answer, as a multiple of what the answer may be. */
const MOST_BEFORE = 8;

/**
 * Reads the answer to the request `id`: one JSON body or an event stream (Streamable HTTP, "Sending Messages to the Server"). The first
 * answer counts; nothing after it is looked at. Messages before it that are no answer go to `onMessage`.
 */
export class AnswerReader implements HttpReader<Reading> {
	readonly #id: number;
	readonly #maxBytes: number;
	readonly #onMessage: (message: Incoming, bytes: number) => void;
	#status = 0;
	#read: (bytes: Buffer) => Reading | undefined = () => undefined;
	#finish: () => Reading = () => broken('no answer');
	/** `Mcp-Session-Id` of the answer, where it carries one. */
	sessionId: string | undefined;
	/** The last event that was read, after which a stream can be taken up again. */
	lastEventId: string | undefined;
	retryMs: number | undefined;

	constructor(id: number, maxBytes: number, onMessage: (message: Incoming, bytes: number) => void) {
		this.#id = id;
		this.#maxBytes = maxBytes;
		this.#onMessage = onMessage;
	}

	head(status: number, headers: IncomingHttpHeaders): Reading | undefined {
		this.#status = status;
		const sessionId = headers['mcp-session-id'];
		if (typeof sessionId === 'string') this.sessionId = sessionId;
		const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
		if (status < 200 || status > 299) return this.#expectRefusal(status, type);
		if (type === 'text/event-stream') return this.#expectStream();
		if (type === 'application/json') return this.#expectJson(Number(headers['content-length'] ?? 0));
		return broken(type === '' ? `HTTP ${status} without an answer` : `HTTP ${status} with ${type.slice(0, 80)} instead of JSON`);
	}

	chunk(bytes: Buffer): Reading | undefined {
		return this.#read(bytes);
	}

	end(): Reading {
		return this.#finish();
	}

	#expectJson(length: number): Reading | undefined {
		if (length > this.#maxBytes) return this.#tooLarge();
		const body = new GrowingBuffer();
		this.#read = (bytes) => {
			body.append(bytes);
			return body.length > this.#maxBytes ? this.#tooLarge() : undefined;
		};
		this.#finish = () => {
			const bytes = body.take();
			return this.#answer(readMessage(bytes), bytes.length) ?? broken('the body is not the answer to the call');
		};
		return undefined;
	}

	#expectStream(): undefined {
		const parser = new EventStreamParser(this.#maxBytes);
		const most = MOST_BEFORE * this.#maxBytes;
		let total = 0;
		this.#read = (bytes) => {
			if ((total += bytes.length) > most) return broken(`more than ${most} bytes came before the answer`);
			try {
				for (const event of parser.push(bytes)) {
					this.lastEventId = event.id ?? this.lastEventId;
					this.retryMs = event.retryMs ?? this.retryMs;
					if (event.data.length === 0) continue; // a priming event carries only its id
					const message = readMessage(event.data);
					const reading = this.#answer(message, event.data.length);
					if (reading !== undefined) return reading;
					this.#onMessage(message, event.data.length);
				}
			} catch (error) {
				if (error instanceof EventTooLarge) return this.#tooLarge();
				throw error;
			}
			return undefined;
		};
		this.#finish = () => {
			const { lastEventId, retryMs } = this;
			return lastEventId === undefined ? broken('the stream ended before the answer') : { kind: 'paused', lastEventId, retryMs };
		};
	}

	#expectRefusal(status: number, type: string): Reading | undefined {
		if (type !== 'application/json') return { kind: 'refused', status };
		const body = new GrowingBuffer();
		this.#read = (bytes) => {
			body.append(bytes);
			return body.length > REFUSAL_BYTES ? { kind: 'refused', status } : undefined;
		};
		this.#finish = () => {
			const bytes = body.take();
			const message = readMessage(bytes);
			if (message.kind === 'response' && message.id === this.#id)
				return { kind: 'answered', message: message.message, bytes: bytes.length, status };
			// An error under no id, or under one that nobody used, speaks of the HTTP request: servers write `null` or `"server-error"`.
			const error = message.kind === 'error' || message.kind === 'response' ? message.message['error'] : undefined;
			return isObject(error) ? { kind: 'refused', status, error } : { kind: 'refused', status };
		};
		return undefined;
	}

	/** The answer, or why there will be none; undefined for what may come before an answer. */
	#answer(message: Incoming, bytes: number): Reading | undefined {
		switch (message.kind) {
			case 'response':
				if (message.id !== this.#id) return broken('it answered a request that was not made');
				return { kind: 'answered', message: message.message, bytes, status: this.#status };
			case 'error':
				return broken('it answered with an error that names no request');
			case 'unreadable':
				return broken(message.why);
			case 'request':
			case 'notification':
				return undefined;
		}
	}

	#tooLarge(): Reading {
		return { kind: 'too_large', why: `more than ${this.#maxBytes} bytes` };
	}
}

function broken(why: string): Reading {
	return { kind: 'broken', why };
}
