import { setTimeout as pause } from 'node:timers/promises';
import type { ApprovalView, Notifier } from './approval.ts';

/** Pauses before each further try: about ten seconds, and then the approval stays open in the inbox all the same. */
const RETRY_AFTER_MS = [500, 2_000, 8_000];

/** Tells the notifiers. Who opened an approval tells of its end too, whichever process brought it about. */
export class Announcements {
	readonly #notifiers: readonly Notifier[];
	readonly #onFault: (error: unknown) => void;
	readonly #retryAfterMs: readonly number[];
	readonly #told = new Map<string, Promise<unknown>>();
	readonly #closing = new AbortController();

	constructor(notifiers: readonly Notifier[], onFault: (error: unknown) => void, retryAfterMs: readonly number[] = RETRY_AFTER_MS) {
		this.#notifiers = notifiers;
		this.#onFault = onFault;
		this.#retryAfterMs = retryAfterMs;
	}

	/** Approvals whose end is still to be told. */
	get open(): string[] {
		return [...this.#told.keys()];
	}

	isOpen(id: string): boolean {
		return this.#told.has(id);
	}

	requested(approval: ApprovalView): void {
		if (this.#notifiers.length === 0) return;
		this.#told.set(approval.id, Promise.all(this.#notifiers.map((notifier) => this.#tell(notifier, () => notifier.requested(approval)))));
	}

	/** The end is told after the request, however long that took. */
	changed(approval: ApprovalView): void {
		const told = this.#told.get(approval.id);
		if (told === undefined || approval.state === 'pending') return;
		this.#told.delete(approval.id);
		void told.then(() => Promise.all(this.#notifiers.map((notifier) => this.#tell(notifier, () => notifier.ended(approval)))));
	}

	close(): void {
		this.#closing.abort();
	}

	async #tell(notifier: Notifier, tell: () => Promise<void>): Promise<void> {
		for (const pauseMs of [...this.#retryAfterMs, undefined]) {
			try {
				return await tell();
			} catch (cause) {
				if (pauseMs === undefined || this.#closing.signal.aborted) {
					this.#onFault(
						new Error(`the notifier ${notifier.name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }),
					);
					return;
				}
				await pause(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
			}
		}
	}
}
