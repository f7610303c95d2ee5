/** Whether an upstream answers, as seen by whatever was last sent to it. */
export interface UpstreamHealth {
	readonly name: string;
	/** `unknown` until something was sent. */
	readonly state: 'unknown' | 'up' | 'down';
	/** Milliseconds since the epoch, on this process's clock. */
	readonly sinceMs: number;
	/** One phrase, where the state is down. */
	readonly why?: string;
}

export class Health {
	#seen: UpstreamHealth;
	readonly #onTurn: (seen: UpstreamHealth) => void;

	constructor(name: string, onTurn: (seen: UpstreamHealth) => void) {
		this.#seen = { name, state: 'unknown', sinceMs: Date.now() };
		this.#onTurn = onTurn;
	}

	get seen(): UpstreamHealth {
		return this.#seen;
	}

	up(): void {
		if (this.#seen.state !== 'up') this.#turn({ name: this.#seen.name, state: 'up', sinceMs: Date.now() });
	}

	down(why: string): void {
		if (this.#seen.state !== 'down') this.#turn({ name: this.#seen.name, state: 'down', sinceMs: Date.now(), why });
		else if (this.#seen.why !== why) this.#seen = { ...this.#seen, why };
	}

	#turn(seen: UpstreamHealth): void {
		this.#seen = seen;
		this.#onTurn(seen);
	}
}
