import { UnsupportedModule } from '../evaluation-error.ts';

/** Reads the binary format (WebAssembly Core Specification, chapter 5) of a validated module. */
export class WasmReader {
	readonly bytes: Uint8Array;
	at: number;

	constructor(bytes: Uint8Array, at = 0) {
		this.bytes = bytes;
		this.at = at;
	}

	get end(): number {
		return this.bytes.length;
	}

	get isAtEnd(): boolean {
		return this.at >= this.end;
	}

	byte(): number {
		const byte = this.bytes[this.at++];
		if (byte === undefined) throw new UnsupportedModule('the module ends too early');
		return byte;
	}

	/** An unsigned LEB128 number of at most 32 bits. */
	u32(): number {
		let value = 0;
		for (let shift = 0; ; shift += 7) {
			const byte = this.byte();
			value |= (byte & 0x7f) << shift;
			if (byte < 0x80) return value >>> 0;
		}
	}

	/** The unsigned number at another place. */
	u32At(at: number): number {
		return new WasmReader(this.bytes, at).u32();
	}

	/** A LEB128 number of any size and sign, whose value doesn't matter. */
	skipNumber(): void {
		while (this.byte() >= 0x80);
	}

	skip(bytes: number): void {
		this.at += bytes;
	}

	name(): string {
		return new TextDecoder().decode(this.take(this.u32()));
	}

	/** The next `size` bytes, not copied. */
	take(size: number): Uint8Array {
		this.at += size;
		return this.bytes.subarray(this.at - size, this.at);
	}
}

/** Bytes written one after another. */
export class WasmWriter {
	#bytes: Uint8Array;
	#length = 0;

	constructor(capacity: number) {
		this.#bytes = new Uint8Array(capacity);
	}

	get length(): number {
		return this.#length;
	}

	/** What has been written; valid until the next write. */
	get written(): Uint8Array {
		return this.#bytes.subarray(0, this.#length);
	}

	clear(): void {
		this.#length = 0;
	}

	byte(byte: number): void {
		if (this.#length === this.#bytes.length) this.#reserve(1);
		this.#bytes[this.#length++] = byte;
	}

	u32(value: number): void {
		for (const byte of u32(value)) this.byte(byte);
	}

	raw(bytes: Uint8Array | readonly number[]): void {
		this.#reserve(bytes.length);
		this.#bytes.set(bytes, this.#length);
		this.#length += bytes.length;
	}

	#reserve(more: number): void {
		if (this.#length + more <= this.#bytes.length) return;
		const larger = new Uint8Array(2 * (this.#length + more));
		larger.set(this.written);
		this.#bytes = larger;
	}
}

/** LEB128 of a signed number of 32 bits. */
export function s32(value: number): number[] {
	const bytes: number[] = [];
	let rest = value;
	for (; rest < -64 || rest > 63; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
	return [...bytes, rest & 0x7f];
}

/** LEB128 of an unsigned number of 32 bits. */
export function u32(value: number): number[] {
	const bytes: number[] = [];
	let rest = value;
	for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
	return [...bytes, rest];
}
