import { GrowingBuffer } from '../http/growing-buffer.ts';

const LF = 0x0a;
const CR = 0x0d;

/** Cuts bytes into lines as they come, and holds no more of one than is allowed. */
export class LineSplitter {
	readonly #maxBytes: number;
	readonly #onLine: (line: Buffer) => void;
	readonly #onTooLong: () => void;
	readonly #partial = new GrowingBuffer();
	/** The rest of a line that was too long is passed over. */
	#isSkipping = false;

	/** `onLine` gets each line without its end; `onTooLong` is called once for one that is longer. */
	constructor(maxBytes: number, onLine: (line: Buffer) => void, onTooLong: () => void) {
		this.#maxBytes = maxBytes;
		this.#onLine = onLine;
		this.#onTooLong = onTooLong;
	}

	push(chunk: Buffer): void {
		let start = 0;
		for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
			this.#append(chunk.subarray(start, end));
			start = end + 1;
			const line = this.#partial.take();
			if (!this.#isSkipping) this.#onLine(line.at(-1) === CR ? line.subarray(0, -1) : line);
			this.#isSkipping = false;
		}
		if (start < chunk.length) this.#append(chunk.subarray(start));
	}

	#append(piece: Buffer): void {
		if (this.#isSkipping) return;
		if (this.#partial.length + piece.length <= this.#maxBytes) {
			this.#partial.append(piece);
			return;
		}
		this.#partial.take();
		this.#isSkipping = true;
		this.#onTooLong();
	}
}
