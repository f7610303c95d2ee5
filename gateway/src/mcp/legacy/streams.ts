import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../domain.ts';

/** Streams of server-sent events: one per POST that became one, and one per session's GET. */

/** A connection with more unread bytes than this is closed; what it missed can be replayed. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** What one stream (but always its newest event), and what all together, keep for a replay. */
const MAX_KEPT_BYTES_PER_STREAM = 1024 * 1024;
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** An ended stream can be replayed this long. */
const KEEP_ENDED_MS = 60_000;

const HEAD = {
	'content-type': 'text/event-stream',
	'cache-control': 'no-cache, no-transform',
	connection: 'keep-alive',
	'x-accel-buffering': 'no',
};

interface KeptEvent {
	readonly sequence: number;
	readonly text: string;
}

/** One stream. It outlives its connection: an agent that was cut off resumes it by `Last-Event-ID`. */
export class EventStream {
	/** `<number>-<sequence>` are the ids of its events, unique within the session. */
	readonly number: number;
	readonly #streams: Streams;
	readonly #hasPrimingEvent: boolean;
	#kept: KeptEvent[] = [];
	#keptBytes = 0;
	#sequence = 0;
	#response: ServerResponse | undefined;
	#endedAtMs: number | undefined;

	constructor(number: number, streams: Streams, hasPrimingEvent: boolean) {
		this.number = number;
		this.#streams = streams;
		this.#hasPrimingEvent = hasPrimingEvent;
		streams.add(this);
	}

	get isConnected(): boolean {
		return this.#response !== undefined;
	}

	/** Starts writing to a connection, with what came after `afterSequence`; an earlier connection of this stream ends. */
	connect(response: ServerResponse, afterSequence = this.#sequence): void {
		this.#response?.end();
		this.#response = response;
		response.on('close', () => {
			if (this.#response === response) this.#response = undefined;
		});
		response.on('error', () => response.destroy());
		response.writeHead(200, HEAD);
		if (this.#hasPrimingEvent && this.#sequence === 0) response.write(`id: ${this.number}-0\ndata:\n\n`);
		else response.flushHeaders();
		for (const event of this.#kept) if (event.sequence > afterSequence) response.write(event.text);
		if (this.#endedAtMs !== undefined) response.end();
	}

	send(message: JsonObject): void {
		if (this.#endedAtMs !== undefined) return;
		const sequence = ++this.#sequence;
		const text = `id: ${this.number}-${sequence}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`;
		this.#keep({ sequence, text });
		this.#write(text);
	}

	end(): void {
		if (this.#endedAtMs !== undefined) return;
		this.#endedAtMs = this.#streams.nowMs();
		this.#response?.end();
	}

	/** Called every keep-alive interval: a comment for the open ones. Returns false when the stream can be forgotten. */
	tick(nowMs: number): boolean {
		if (this.#endedAtMs !== undefined) return nowMs - this.#endedAtMs < KEEP_ENDED_MS;
		// Still not read since the last tick: the other side has stopped.
		if (this.#response?.writableNeedDrain === true) this.#response.destroy();
		else this.#response?.write(': keep-alive\n\n');
		return true;
	}

	/** Gives up what is kept for replays; returns how many bytes that were. */
	forget(): number {
		const bytes = this.#keptBytes;
		this.#kept = [];
		this.#keptBytes = 0;
		return bytes;
	}

	#write(text: string): void {
		const response = this.#response;
		if (response === undefined) return;
		if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
		else response.write(text);
	}

	#keep(event: KeptEvent): void {
		this.#kept.push(event);
		this.#keptBytes += event.text.length;
		let added = event.text.length;
		while (this.#keptBytes > MAX_KEPT_BYTES_PER_STREAM && this.#kept.length > 1) {
			const { length } = (this.#kept.shift() as KeptEvent).text;
			this.#keptBytes -= length;
			added -= length;
		}
		this.#streams.kept(added);
	}
}

/** All streams of the process: one timer for keep-alives, one bound for what replays may hold. */
export class Streams {
	readonly nowMs: () => number;
	/** In the order they began. */
	readonly #all = new Set<EventStream>();
	#keptBytes = 0;

	constructor({ nowMs, keepAliveMs }: { nowMs: () => number; keepAliveMs: number }) {
		this.nowMs = nowMs;
		setInterval(() => this.#tick(), keepAliveMs).unref();
	}

	add(stream: EventStream): void {
		this.#all.add(stream);
	}

	/** Ends a stream for good. */
	remove(stream: EventStream): void {
		stream.end();
		this.#all.delete(stream);
		this.#keptBytes -= stream.forget();
	}

	has(stream: EventStream): boolean {
		return this.#all.has(stream);
	}

	/** Counts bytes kept for replays; beyond the bound the oldest streams lose theirs. */
	kept(bytes: number): void {
		this.#keptBytes += bytes;
		if (this.#keptBytes <= MAX_KEPT_BYTES) return;
		for (const stream of this.#all) {
			this.#keptBytes -= stream.forget();
			if (this.#keptBytes <= MAX_KEPT_BYTES) return;
		}
	}

	#tick(): void {
		const now = this.nowMs();
		for (const stream of this.#all) if (!stream.tick(now)) this.remove(stream);
	}
}
