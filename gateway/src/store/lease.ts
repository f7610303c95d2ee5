import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Store } from './sql.ts';

export interface LeaseOptions {
	/** Where the process runs, for people. */
	readonly name?: string;
	readonly leaseMs?: number;
	readonly renewMs?: number;
	/**
	 * Called once, when the lease has run out: from now on others may take this process for dead and settle what it left open. What writes under the
	 * old id must stop; going on takes a lease anew.
	 */
	readonly onLost: (why: string) => void;
}

/** This process among those on one store. */
export interface Lease {
	/** Names the process in the store, from the lease's begin to its end. */
	readonly processId: string;
	/** False once it has run out or was ended. Counted by this process's own clock, from before the database began to count. */
	isHeld(): boolean;
	/** Ends it on the database too, so that nobody waits for it to run out. Never throws. */
	end(): Promise<void>;
}

const LEASE_MS = 10_000;
const RENEW_MS = 3_000;

/**
 * Enters this process into `processes`, alive for 10 s on the database's clock, and renews that every 3 s; each renewal also measures the clock.
 * @throws {StoreUnavailable}
 */
export async function holdLease(store: Store, options: LeaseOptions): Promise<Lease> {
	const { name = `${hostname()}:${process.pid}`, leaseMs = LEASE_MS, renewMs = RENEW_MS, onLost } = options;
	const processId = randomUUID();
	let state: 'held' | 'lost' | 'ended' = 'held';
	// Counted from before the statement is sent: the database's own count begins later, so it ends later.
	let endsAt = performance.now() + leaseMs;
	let timer: NodeJS.Timeout | undefined;
	let renewing: Promise<void> | undefined;

	await store.query(`INSERT INTO processes (id, name, lease_until) VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')`, [
		processId,
		name,
		leaseMs,
	]);

	const lose = (why: string): void => {
		if (state !== 'held') return;
		state = 'lost';
		clearTimeout(timer);
		onLost(why);
	};

	const renew = async (): Promise<void> => {
		const sentAt = performance.now();
		try {
			const renewed = await store.query(
				`UPDATE processes SET lease_until = clock_timestamp() + $2 * interval '1 millisecond' WHERE id = $1 AND lease_until > clock_timestamp() RETURNING id`,
				[processId, leaseMs],
			);
			if (renewed.length === 0) return lose('it had run out on the database');
			endsAt = sentAt + leaseMs;
			await store.syncClock();
		} catch {
			// Whatever failed, the lease may still be renewed in time; the clock keeps its last measure.
		}
	};

	const schedule = (): void => {
		const leftMs = endsAt - performance.now();
		if (leftMs <= 0) return lose('the database could not be reached in time');
		timer = setTimeout(
			() => {
				if (performance.now() >= endsAt) return lose('the database could not be reached in time');
				// A renewal that hangs must not hide that the lease has run out: the clock goes on beside it.
				renewing ??= renew().finally(() => (renewing = undefined));
				schedule();
			},
			Math.min(renewMs, leftMs),
		).unref();
	};
	schedule();

	return {
		processId,
		isHeld: () => state === 'held' && performance.now() < endsAt,
		async end() {
			if (state === 'ended') return;
			state = 'ended';
			clearTimeout(timer);
			await renewing;
			await store
				.query('UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1 AND lease_until > clock_timestamp()', [processId])
				.catch(() => {});
		},
	};
}
