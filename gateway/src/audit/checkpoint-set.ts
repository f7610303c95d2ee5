import { type Checkpoint, type CheckpointKey, readCheckpoint, wrongSignature } from './checkpoint.ts';

/** A checkpoint that can't be relied on. */
export interface CheckpointProblem {
	readonly stream: string;
	readonly says: string;
}

/** The checkpoints that something is verified against, by stream. */
export class CheckpointSet {
	readonly #keys: readonly CheckpointKey[];
	readonly #byStream = new Map<string, Checkpoint[]>();
	#lastMs = 0;

	/** @param keys whose signatures count; none: signatures can't be looked at, and whoever made the checkpoints is believed */
	constructor(keys: readonly CheckpointKey[]) {
		this.#keys = keys;
	}

	/** @param where for messages: a file and line, a table */
	add(line: string, where: string): CheckpointProblem | undefined {
		const checkpoint = readCheckpoint(line);
		if (typeof checkpoint === 'string') return { stream: '?', says: `a checkpoint (${where}) can't be read: ${checkpoint}` };
		const { stream, sequence, timeMs } = checkpoint;
		const wrong = this.#keys.length === 0 ? undefined : wrongSignature(checkpoint, this.#keys);
		if (wrong !== undefined) return { stream, says: `event ${sequence}: its checkpoint (${where}) does not count: ${wrong}` };
		const known = this.#byStream.get(stream);
		if (known === undefined) this.#byStream.set(stream, [checkpoint]);
		else known.push(checkpoint);
		this.#lastMs = Math.max(this.#lastMs, timeMs);
		return undefined;
	}

	of(stream: string): readonly Checkpoint[] {
		return this.#byStream.get(stream) ?? [];
	}

	get streams(): readonly string[] {
		return [...this.#byStream.keys()];
	}

	/** When the last of all was signed; 0 where there is none. */
	get lastMs(): number {
		return this.#lastMs;
	}
}
