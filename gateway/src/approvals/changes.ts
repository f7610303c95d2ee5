import type { ApprovalView } from './approval.ts';

/** Somebody who looks at all approvals. */
export interface Onlooker {
	/** An approval was opened or has changed; as it stands now. */
	changed(approval: ApprovalView): void;
	/** Something may have been missed: look at everything again. */
	missed(): void;
}

/** Tells onlookers. However many look, a change is read once; while nobody looks, not at all. */
export class Changes {
	readonly #read: (id: string) => Promise<ApprovalView | undefined>;
	readonly #onFault: (error: unknown) => void;
	readonly #onlookers = new Set<Onlooker>();
	/** Being read, and whether it changed again meanwhile: so that an older reading never follows a newer one. */
	readonly #reading = new Map<string, { isOutdated: boolean }>();

	constructor(read: (id: string) => Promise<ApprovalView | undefined>, onFault: (error: unknown) => void) {
		this.#read = read;
		this.#onFault = onFault;
	}

	/** @returns how to stop */
	watch(onlooker: Onlooker): () => void {
		this.#onlookers.add(onlooker);
		return () => this.#onlookers.delete(onlooker);
	}

	/** The approval has changed; an empty id: nobody knows which have. */
	heard(id: string): void {
		if (this.#onlookers.size === 0) return;
		if (id === '') {
			for (const onlooker of this.#onlookers) onlooker.missed();
			return;
		}
		const reading = this.#reading.get(id);
		if (reading !== undefined) reading.isOutdated = true;
		else void this.#tell(id);
	}

	async #tell(id: string): Promise<void> {
		const reading = { isOutdated: false };
		this.#reading.set(id, reading);
		try {
			do {
				reading.isOutdated = false;
				const approval = await this.#read(id);
				if (approval !== undefined) for (const onlooker of this.#onlookers) onlooker.changed(approval);
			} while (reading.isOutdated);
		} catch (error) {
			this.#onFault(error);
			for (const onlooker of this.#onlookers) onlooker.missed();
		} finally {
			this.#reading.delete(id);
		}
	}
}
