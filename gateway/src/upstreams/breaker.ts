import type { UpstreamAnswer } from './upstream-call.ts';

/** So many calls in turn that reached nobody open it. */
const FAILURES = 5;
const FIRST_PAUSE_MS = 500;
/** An upstream that is back is noticed within this time. */
const LONGEST_PAUSE_MS = 4_000;

/**
 * Spares calls the wait for an upstream that is not there. Open, it answers at once; after a pause, longer each time, it lets one call
 * through to see. Whatever is answered closes it.
 */
export class Breaker {
	readonly #nowMs: () => number;
	#failures = 0;
	#pauseMs = FIRST_PAUSE_MS;
	/** On that clock; undefined while closed. */
	#openUntilMs: number | undefined;
	#isProbing = false;
	#why = '';

	constructor(nowMs = () => performance.now()) {
		this.#nowMs = nowMs;
	}

	/** Why a call can't go now; undefined when it can. One that goes has to be `record`ed. */
	refuses(): string | undefined {
		if (this.#openUntilMs === undefined) return undefined;
		const waitMs = this.#openUntilMs - this.#nowMs();
		if (waitMs > 0) return `${this.#why}; tried again in ${Math.ceil(waitMs)} ms`;
		if (this.#isProbing) return `${this.#why}; being tried now`;
		this.#isProbing = true;
		return undefined;
	}

	record(answer: UpstreamAnswer): void {
		if (answer.kind !== 'not_sent' || answer.isUnreachable !== true) {
			// A call that the agent gave up says nothing; neither may it keep the next one from finding out.
			this.#isProbing = false;
			if (answer.kind === 'answered' || answer.kind === 'too_large') this.close();
			return;
		}
		this.#why = answer.why;
		if (this.#isProbing) this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
		if (++this.#failures < FAILURES) return;
		this.#isProbing = false;
		this.#openUntilMs = this.#nowMs() + this.#pauseMs;
	}

	/** The upstream answered, to whomever. */
	close(): void {
		this.#failures = 0;
		this.#pauseMs = FIRST_PAUSE_MS;
		this.#openUntilMs = undefined;
		this.#isProbing = false;
	}
}
