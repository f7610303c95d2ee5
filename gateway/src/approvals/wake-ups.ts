import type { ApprovalEntry } from './approval-ledger.ts';

/** One call's eye on one approval. What happens between two looks is not missed. */
export class Watch {
	#news: { readonly entry: ApprovalEntry | undefined } | undefined;
	#wake: (() => void) | undefined;
	readonly close: () => void;

	constructor(close: () => void) {
		this.close = close;
	}

	/** Resolves with the approval when it has changed since the last look; undefined: look yourself (time over, `signal`, or something was missed). */
	async next(timeoutMs: number, signal: AbortSignal): Promise<ApprovalEntry | undefined> {
		if (this.#news === undefined && !signal.aborted) {
			await new Promise<void>((resolve) => {
				const wake = () => {
					clearTimeout(timer);
					signal.removeEventListener('abort', wake);
					resolve();
				};
				const timer = setTimeout(wake, Math.max(0, timeoutMs));
				signal.addEventListener('abort', wake);
				this.#wake = wake;
			});
			this.#wake = undefined;
		}
		const entry = this.#news?.entry;
		this.#news = undefined;
		return entry;
	}

	tell(entry: ApprovalEntry | undefined): void {
		this.#news = { entry };
		this.#wake?.();
	}
}

/** Who waits for which approval. However many wait, a change is read once. */
export class WakeUps {
	readonly #byApproval = new Map<string, Set<Watch>>();

	isAwaited(id: string): boolean {
		return this.#byApproval.has(id);
	}

	watch(id: string): Watch {
		const watches = this.#byApproval.get(id) ?? new Set();
		this.#byApproval.set(id, watches);
		const watch = new Watch(() => {
			if (watches.delete(watch) && watches.size === 0) this.#byApproval.delete(id);
		});
		watches.add(watch);
		return watch;
	}

	wake(id: string, entry: ApprovalEntry): void {
		for (const watch of this.#byApproval.get(id) ?? []) watch.tell(entry);
	}

	/** Everybody looks again. */
	wakeAll(): void {
		for (const watches of this.#byApproval.values()) for (const watch of watches) watch.tell(undefined);
	}
}
