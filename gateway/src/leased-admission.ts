import type { Admission, AdmissionRequest, Admitted, Settlement } from './admission.ts';
import type { TrailEvent } from './domain.ts';
import { createAdmission, type GroupedAdmission } from './grouped-admission.ts';
import type { Keys } from './keys.ts';
import { holdLease, type Lease } from './store/lease.ts';
import { type Store, StoreUnavailable } from './store/sql.ts';

export interface LeasedAdmissionOptions {
	readonly store: Store;
	readonly keys: Keys;
	readonly onFault: (error: unknown) => void;
	/** So many events have become durable. */
	readonly onWritten?: (count: number) => void;
	/** Of the process's lease; by default as `holdLease` says. */
	readonly leaseMs?: number;
	readonly renewMs?: number;
}

const RETRY_MS = 500;
const OLD_GRACE_MS = 60_000;

interface Held {
	readonly lease: Lease;
	readonly admission: GroupedAdmission;
}

/**
 * The admission of this process for as long as it holds a lease. A process whose lease ran out is taken for dead by others, who settle what it
 * left open; so it admits nothing more under its old name, and takes a new lease as soon as the database answers.
 */
export class LeasedAdmission implements Admission {
	readonly #options: LeasedAdmissionOptions;
	#held: Held | undefined;
	#old: Held | undefined;
	#retry: NodeJS.Timeout | undefined;
	#isClosed = false;

	private constructor(options: LeasedAdmissionOptions) {
		this.#options = options;
	}

	/** @throws {StoreUnavailable} */
	static async open(options: LeasedAdmissionOptions): Promise<LeasedAdmission> {
		const leased = new LeasedAdmission(options);
		await leased.#take();
		return leased;
	}

	/** False while the database is away for longer than a lease. */
	get isHeld(): boolean {
		return this.#held?.lease.isHeld() === true;
	}

	/** The stream that this process writes now. */
	get stream(): string {
		return this.#current().lease.processId;
	}

	async admit(request: AdmissionRequest): Promise<Admitted> {
		return this.#current().admission.admit(request);
	}

	/**
	 * Also for calls that an earlier lease admitted: whoever took them for dead has recorded them, and this outcome comes late. Between two leases
	 * the old admission keeps it until the database is back: the answer has come, and is not lost.
	 */
	async settle(settlement: Settlement): Promise<void> {
		const { admission } = this.#held ?? this.#old ?? this.#current();
		return admission.settle(settlement);
	}

	async refuse(event: TrailEvent): Promise<void> {
		return this.#current().admission.refuse(event);
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#retry);
		await this.#old?.admission.close();
		await this.#held?.admission.close();
		await this.#held?.lease.end();
	}

	#current(): Held {
		if (this.#held === undefined) throw new StoreUnavailable('the database has been away for too long; this process is waiting for it');
		return this.#held;
	}

	async #take(): Promise<void> {
		const { store, keys, onFault, onWritten, leaseMs, renewMs } = this.#options;
		const lease = await holdLease(store, {
			onLost: (why) => this.#lost(why),
			...(leaseMs === undefined ? {} : { leaseMs }),
			...(renewMs === undefined ? {} : { renewMs }),
		});
		const admission = await createAdmission({
			sql: store,
			stream: lease.processId,
			keys,
			onFault,
			...(onWritten === undefined ? {} : { onWritten }),
		});
		this.#held = { lease, admission };
		// What still waits to become durable goes on trying, under the old name.
		void this.#old?.admission.close(OLD_GRACE_MS);
		this.#old = undefined;
	}

	#lost(why: string): void {
		this.#old = this.#held;
		this.#held = undefined;
		this.#options.onFault(new StoreUnavailable(`the lease of this process was lost: ${why}`));
		this.#takeAgain();
	}

	#takeAgain(): void {
		if (this.#isClosed) return;
		this.#retry = setTimeout(() => {
			this.#take().catch((error: unknown) => {
				if (!(error instanceof StoreUnavailable)) this.#options.onFault(error);
				this.#takeAgain();
			});
		}, RETRY_MS).unref();
	}
}
