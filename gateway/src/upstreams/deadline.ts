/**
 * The time of one call. It stands still while the agent is asked something: people take their time, and the upstream can't go on meanwhile.
 * Nothing else lengthens it, progress least of all: an upstream doesn't grant itself more time than policy did.
 */
export class Deadline {
	/** As granted at the start. */
	readonly totalMs: number;
	/** Of `performance.now()`. */
	#endsAtMs: number;
	#pauses = 0;
	#pausedAtMs = 0;
	#timer: NodeJS.Timeout | undefined;
	#onOver: (() => void) | undefined;

	constructor(totalMs: number) {
		this.totalMs = totalMs;
		this.#endsAtMs = performance.now() + totalMs;
	}

	/** Never negative. */
	get leftMs(): number {
		return Math.max(0, this.#endsAtMs - (this.#pauses > 0 ? this.#pausedAtMs : performance.now()));
	}

	/** The clock stands still until as many `resume` were called. */
	pause(): void {
		if (this.#pauses++ > 0) return;
		this.#pausedAtMs = performance.now();
		clearTimeout(this.#timer);
	}

	resume(): void {
		if (--this.#pauses > 0) return;
		this.#endsAtMs += performance.now() - this.#pausedAtMs;
		this.#arm();
	}

	/** Calls `onOver` once when the time is over; one at a time. Until then a timer runs, and stops with the function returned. */
	watch(onOver: () => void): () => void {
		this.#onOver = onOver;
		if (this.#pauses === 0) this.#arm();
		return () => {
			if (this.#onOver === onOver) this.#onOver = undefined;
			clearTimeout(this.#timer);
		};
	}

	#arm(): void {
		if (this.#onOver === undefined) return;
		this.#timer = setTimeout(() => {
			const onOver = this.#onOver;
			this.#onOver = undefined;
			onOver?.();
		}, this.leftMs);
	}
}

/** The promise's value, or undefined when the time is over first. The deadline has no other watch meanwhile. */
export async function within<T>(promise: Promise<T>, deadline: Deadline): Promise<T | undefined> {
	let stop = () => {};
	const late = new Promise<undefined>((resolve) => {
		stop = deadline.watch(() => resolve(undefined));
	});
	return Promise.race([promise, late]).finally(() => stop());
}
