const EMPTY = Buffer.alloc(0);

/** Bytes that arrive in pieces. A single piece is not copied; more of them double the room, so that a million tiny pieces stay cheap. */
export class GrowingBuffer {
	#bytes: Buffer = EMPTY;
	#length = 0;

	get length(): number {
		return this.#length;
	}

	append(piece: Buffer): void {
		if (this.#length === 0) {
			this.#bytes = piece;
			this.#length = piece.length;
			return;
		}
		const needed = this.#length + piece.length;
		if (needed > this.#bytes.length) {
			const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
			this.#bytes.copy(grown, 0, 0, this.#length);
			this.#bytes = grown;
		}
		piece.copy(this.#bytes, this.#length);
		this.#length = needed;
	}

	/** What was appended since the last take. */
	take(): Buffer {
		const taken = this.#bytes.subarray(0, this.#length);
		this.#bytes = EMPTY;
		this.#length = 0;
		return taken;
	}
}
