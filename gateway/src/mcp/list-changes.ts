import type { ListKind } from './exchange.ts';

/** That lists have changed is told at most this often. */
const EVERY_MS = 1_000;

/** Gathers changes of lists, so that agents hear of them at most once a second, and of the last one always. */
export class ListChanges {
	readonly #tell: (changed: ReadonlySet<ListKind>) => void;
	#timer: NodeJS.Timeout | undefined;
	#changed = new Set<ListKind>();

	constructor(tell: (changed: ReadonlySet<ListKind>) => void) {
		this.#tell = tell;
	}

	add(changed: ReadonlySet<ListKind>): void {
		for (const kind of changed) this.#changed.add(kind);
		if (this.#timer === undefined) this.#flush();
	}

	close(): void {
		clearTimeout(this.#timer);
	}

	#flush(): void {
		this.#timer = undefined;
		if (this.#changed.size === 0) return;
		const changed = this.#changed;
		this.#changed = new Set();
		this.#tell(changed);
		this.#timer = setTimeout(() => this.#flush(), EVERY_MS).unref();
	}
}
