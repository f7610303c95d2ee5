/** Whether an upstream answers, as seen by whatever was last sent to it. */
export interface UpstreamHealth {
	readonly name: string;
	/** `unknown` until something was sent. */
	readonly state: 'unknown' | 'up' | 'down';
	/** Milliseconds since the epoch, on this process's clock. */
	readonly sinceMs: number;
	/** One phrase, where the state is down. */
	readonly why?: string;
	/** Something that operators should see, though it works; forgotten after a minute. */
	readonly note?: string;
}

const NOTE_MS = 60_000;

export class Health {
	#seen: UpstreamHealth;
	readonly #onTurn: (seen: UpstreamHealth) => void;
	#note: { readonly says: string; readonly untilMs: number } | undefined;

	constructor(name: string, onTurn: (seen: UpstreamHealth) => void) {
		this.#seen = { name, state: 'unknown', sinceMs: Date.now() };
		this.#onTurn = onTurn;
	}

	get seen(): UpstreamHealth {
		const note = this.#note;
		return note === undefined || note.untilMs < performance.now() ? this.#seen : { ...this.#seen, note: note.says };
	}

	note(says: string): void {
		this.#note = { says, untilMs: performance.now() + NOTE_MS };
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
