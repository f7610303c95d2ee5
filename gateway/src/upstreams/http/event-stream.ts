import { GrowingBuffer } from './growing-buffer.ts';

/** One event of a `text/event-stream`. */
export interface StreamEvent {
	readonly id?: string;
	readonly retryMs?: number;
	/** The lines of `data`, joined by LF; empty where there were none. */
	readonly data: Buffer;
}

/** An event is longer than the reader allows; the stream can't be read on. */
export class EventTooLarge extends Error {
	override readonly name = 'EventTooLarge';
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const EMPTY = Buffer.alloc(0);
const NEWLINE = Buffer.of(LF);
const BOM = Buffer.of(0xef, 0xbb, 0xbf);

/**
 * Reads `text/event-stream` (HTML, section 9.2) as the bytes come. It works on bytes, because whoever reads `data` judges its UTF-8 itself.
 * Lines end in LF, CRLF or CR. Event types are not told apart: MCP has none.
 */
export class EventStreamParser {
	readonly #maxEventBytes: number;
	/** The start of a line whose end has not come yet. */
	readonly #partial = new GrowingBuffer();
	#isFirstLine = true;
	/** The last chunk ended in CR: an LF at the start of the next one belongs to it. */
	#skipLf = false;
	readonly #data = new GrowingBuffer();
	#hasData = false;
	#id: string | undefined;
	#retryMs: number | undefined;

	constructor(maxEventBytes: number) {
		this.#maxEventBytes = maxEventBytes;
	}

	/**
	 * The events that this chunk completes. An event without data still carries `id` and `retryMs`. Iterate to the end, or give the stream up.
	 * @throws {EventTooLarge}
	 */
	*push(chunk: Buffer): Generator<StreamEvent> {
		if (chunk.length === 0) return;
		let start = this.#skipLf && chunk[0] === LF ? 1 : 0;
		this.#skipLf = false;
		let nextCr = indexOr(chunk, CR, start);
		while (start < chunk.length) {
			if (nextCr < start) nextCr = indexOr(chunk, CR, start);
			const end = Math.min(indexOr(chunk, LF, start), nextCr);
			if (end === chunk.length) break;
			const line = this.#line(chunk.subarray(start, end));
			start = end + 1;
			if (chunk[end] === CR) {
				if (start === chunk.length) this.#skipLf = true;
				else if (chunk[start] === LF) start++;
			}
			const event = line.length === 0 ? this.#event() : this.#field(line);
			if (event !== undefined) yield event;
		}
		if (start < chunk.length) this.#keep(chunk.subarray(start));
	}

	#keep(piece: Buffer): void {
		this.#partial.append(piece);
		if (this.#partial.length > this.#maxEventBytes) throw new EventTooLarge();
	}

	#line(rest: Buffer): Buffer {
		let line = rest;
		if (this.#partial.length > 0) {
			this.#keep(rest);
			line = this.#partial.take();
		}
		if (!this.#isFirstLine) return line;
		this.#isFirstLine = false;
		return line.subarray(0, 3).equals(BOM) ? line.subarray(3) : line;
	}

	#field(line: Buffer): undefined {
		const colon = line.indexOf(COLON);
		if (colon === 0) return; // a comment
		const name = (colon === -1 ? line : line.subarray(0, colon)).toString('latin1');
		const value = colon === -1 ? EMPTY : line.subarray(line[colon + 1] === SPACE ? colon + 2 : colon + 1);
		if (name === 'data') this.#append(value);
		else if (name === 'id' && !value.includes(0)) this.#id = value.toString();
		else if (name === 'retry' && /^\d{1,9}$/.test(value.toString('latin1'))) this.#retryMs = Number(value.toString('latin1'));
	}

	#append(value: Buffer): void {
		if (this.#hasData) this.#data.append(NEWLINE);
		this.#hasData = true;
		this.#data.append(value);
		if (this.#data.length > this.#maxEventBytes) throw new EventTooLarge();
	}

	#event(): StreamEvent | undefined {
		if (!this.#hasData && this.#id === undefined && this.#retryMs === undefined) return undefined;
		const event: StreamEvent = {
			...(this.#id === undefined ? {} : { id: this.#id }),
			...(this.#retryMs === undefined ? {} : { retryMs: this.#retryMs }),
			data: this.#data.take(),
		};
		this.#hasData = false;
		this.#id = this.#retryMs = undefined;
		return event;
	}
}

function indexOr(chunk: Buffer, byte: number, from: number): number {
	const at = chunk.indexOf(byte, from);
	return at === -1 ? chunk.length : at;
}
