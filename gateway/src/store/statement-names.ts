const MAX_NAMES = 300;
const MAX_SEEN = 1000;

/**
 * Names under which repeated statements are prepared. A text gets its name at its second use, and the number of names is bounded: texts that
 * are put together anew each time must neither fill the database's memory nor crowd out the others.
 */
export class StatementNames {
	readonly #names = new Map<string, string>();
	readonly #seenOnce = new Set<string>();

	/** The name, or undefined when the text should go unprepared. */
	of(text: string): string | undefined {
		const known = this.#names.get(text);
		if (known !== undefined || this.#names.size >= MAX_NAMES) return known;
		if (!this.#seenOnce.delete(text)) {
			if (this.#seenOnce.size >= MAX_SEEN) this.#seenOnce.clear();
			this.#seenOnce.add(text);
			return undefined;
		}
		const name = `toolgate_${this.#names.size + 1}`;
		this.#names.set(text, name);
		return name;
	}
}
