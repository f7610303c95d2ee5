import { hash as digestOf } from 'node:crypto';
import type { Checkpoint } from './checkpoint.ts';

/** An event as it is checked: everything that its hash covers, and the hash. */
export interface ChainedEvent {
	readonly sequence: number;
	readonly admission: string;
	/** Canonical JSON, as it was hashed: text, or its UTF-8. */
	readonly body: string | Buffer;
	/** Lower-case hex. */
	readonly hash: string;
}

/** The first bad event of a stream, and what is wrong with it. */
export interface ChainProblem {
	readonly sequence: number;
	readonly says: string;
}

const ZEROS = '0'.repeat(64);

/**
 * Checks one stream, event by event in the order in which they stand, against the chain and against its signed checkpoints.
 * hash = SHA-256(hash before, 32 bytes, zeros at first ‖ SHA-256 of the body, 32 bytes ‖ admission word in UTF-8).
 */
export class ChainCheck {
	/** Of this stream, by sequence; more than one may stand at a place. */
	readonly #checkpoints: readonly Checkpoint[];
	#next = 0;
	#sequence = 0;
	#hash = ZEROS;
	#bodyDigest = '';
	#isBegun = false;
	#firstUnsigned: ChainedEvent['body'] | undefined;
	/** The last event that a checkpoint agreed with. */
	#signed = 0;
	readonly #chained = Buffer.alloc(64 + 64);

	/** @param checkpoints of this stream; their signatures have been looked at */
	constructor(checkpoints: readonly Checkpoint[]) {
		this.#checkpoints = checkpoints.toSorted((a, b) => a.sequence - b.sequence);
	}

	/** The last event that was taken, or what retention has left of the beginning. */
	get sequence(): number {
		return this.#sequence;
	}

	get hash(): string {
		return this.#hash;
	}

	/** SHA-256 of the body that was taken last, hex. */
	get bodyDigest(): string {
		return this.#bodyDigest;
	}

	/** The last event that a signed checkpoint vouches for. */
	get signed(): number {
		return this.#signed;
	}

	/** The body of the first event after it; undefined where there is none. */
	get firstUnsigned(): ChainedEvent['body'] | undefined {
		return this.#firstUnsigned;
	}

	take({ sequence, admission, body, hash }: ChainedEvent): ChainProblem | undefined {
		if (!this.#isBegun) this.#begin(sequence - 1);
		const expected = this.#sequence + 1;
		if (sequence !== expected) {
			if (sequence > expected) return { sequence: expected, says: `missing; event ${sequence} stands in its place` };
			return sequence === this.#sequence && hash !== this.#hash
				? { sequence, says: 'there is a second one: the stream is forked' }
				: { sequence, says: `stands after event ${this.#sequence}: inserted, or out of order` };
		}
		if (this.#follows(body, admission) !== hash)
			return { sequence, says: 'its hash does not follow from its content, its admission word and the event before' };
		this.#sequence = sequence;
		this.#hash = hash;
		const problem = this.#compare();
		if (this.#signed === sequence) this.#firstUnsigned = undefined;
		else this.#firstUnsigned ??= body;
		return problem;
	}

	/** Call it after the last event. */
	end(): ChainProblem | undefined {
		// Retention may have left nothing at all.
		if (!this.#isBegun) this.#begin(Infinity);
		const beyond = this.#checkpoints[this.#next];
		return beyond === undefined
			? undefined
			: { sequence: this.#sequence + 1, says: `missing: the tail is cut off; a checkpoint signs event ${beyond.sequence}` };
	}

	/** Where retention has cut: its last signed cut, as far as the first event that is there allows. */
	#begin(before: number): void {
		this.#isBegun = true;
		if (before === 0) return;
		const cut = this.#checkpoints.findLast(({ kind, sequence }) => kind === 'cut' && sequence <= before);
		if (cut === undefined) return;
		this.#sequence = this.#signed = cut.sequence;
		this.#hash = cut.hash;
		while ((this.#checkpoints[this.#next]?.sequence ?? Infinity) <= cut.sequence) this.#next++;
	}

	#follows(body: string | Buffer, admission: string): string {
		const chained = this.#chained;
		chained.write(this.#hash, 0, 'hex');
		this.#bodyDigest = digestOf('sha256', body, 'hex');
		chained.write(this.#bodyDigest, 32, 'hex');
		if (admission === '') return digestOf('sha256', chained.subarray(0, 64), 'hex');
		// An admission word is short; one that isn't has been tampered with, and its hash is computed all the same.
		if (Buffer.byteLength(admission) > 64)
			return digestOf('sha256', Buffer.concat([chained.subarray(0, 64), Buffer.from(admission)]), 'hex');
		return digestOf('sha256', chained.subarray(0, 64 + chained.write(admission, 64)), 'hex');
	}

	#compare(): ChainProblem | undefined {
		for (let at = this.#checkpoints[this.#next]; at !== undefined && at.sequence <= this.#sequence; at = this.#checkpoints[this.#next]) {
			if (at.hash !== this.#hash) {
				const first = this.#signed + 1;
				return {
					sequence: first,
					says: `${first === at.sequence ? 'it was' : `this or one up to event ${at.sequence} was`} rewritten, and the chain after it made anew: the checkpoint of event ${at.sequence} signs another hash`,
				};
			}
			this.#signed = at.sequence;
			this.#next++;
		}
		return undefined;
	}
}
