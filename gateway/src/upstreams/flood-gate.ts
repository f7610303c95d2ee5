/** More than this in a second is no conversation any more. */
const BYTES_PER_SECOND = 1_048_576;

/** Notices when far more comes than anybody would say on purpose. */
export class FloodGate {
	#second = 0;
	#bytes = 0;

	/** Counts what came; true when that is too much for this second. */
	isFlooded(bytes: number): boolean {
		const second = Math.floor(performance.now() / 1_000);
		if (second !== this.#second) {
			this.#second = second;
			this.#bytes = 0;
		}
		this.#bytes += bytes;
		return this.#bytes > BYTES_PER_SECOND;
	}
}

/** How long a flood is left alone, so that reading it takes little from others. */
export const FLOOD_PAUSE_MS = 5_000;
