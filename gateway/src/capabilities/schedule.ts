/** Work that is asked for often and done seldom: never twice at once, and never twice within a quiet time unless asked to do it now. */
export class Schedule {
	readonly #quietMs: number;
	readonly #work: () => Promise<number | void>;
	#timer: NodeJS.Timeout | undefined;
	#dueMs = Infinity;
	#running: Promise<void> | undefined;
	#lastStartMs = -Infinity;
	#isClosed = false;

	/** `work` may return after how many milliseconds it wants to run again. */
	constructor(quietMs: number, work: () => Promise<number | void>) {
		this.#quietMs = quietMs;
		this.#work = work;
	}

	/** Runs as soon as the quiet time allows. What is asked while it runs is done after it. */
	soon(): void {
		this.#at(this.#lastStartMs + this.#quietMs);
	}

	/** Runs at once, or after the run that is under way; resolves when that is done. */
	async now(): Promise<void> {
		while (this.#running !== undefined) await this.#running;
		await this.#run();
	}

	/** Runs no more; one that is under way is left to end. */
	close(): void {
		this.#isClosed = true;
		clearTimeout(this.#timer);
	}

	#at(wantedMs: number): void {
		const dueMs = Math.max(wantedMs, performance.now());
		if (this.#isClosed || dueMs >= this.#dueMs) return;
		this.#dueMs = dueMs;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => void this.now(), Math.max(0, dueMs - performance.now()));
		this.#timer.unref();
	}

	async #run(): Promise<void> {
		if (this.#isClosed) return;
		clearTimeout(this.#timer);
		this.#dueMs = Infinity;
		this.#lastStartMs = performance.now();
		this.#running = this.#work().then(
			(againMs) => this.#done(againMs),
			(error) => {
				this.#done();
				throw error;
			},
		);
		await this.#running;
	}

	#done(againMs?: number | void): void {
		this.#running = undefined;
		if (typeof againMs === 'number') this.#at(performance.now() + againMs);
	}
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;

/** When to try again after so many failures in turn: at first soon, since what is about to start can't be reached yet. Without one, never. */
export const retryAfterMs = (failures: number): number =>
	failures === 0 ? Infinity : Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
