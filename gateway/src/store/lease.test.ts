import t from 'tap';
import { embedded, eachStore } from '../../test/stores.ts';
import { deploymentKey } from './deployment-key.ts';
import { holdLease } from './lease.ts';
import type { Store } from './sql.ts';
import { StoreUnavailable } from './sql.ts';

const QUICK = { leaseMs: 1000, renewMs: 30 };
const never = (why: string) => t.fail(`the lease was lost: ${why}`);
const isAlive = async (store: Store, id: string) =>
	(await store.query<{ alive: boolean }>('SELECT lease_until > clock_timestamp() AS alive FROM processes WHERE id = $1', [id]))[0]?.alive;

/** Resolves after the next `count` statements that change `processes`: renewals, as nothing else does. */
function renewals(store: Store): { store: Store; next(count: number): Promise<void>; isAway: boolean } {
	let renewed: () => void = () => {};
	const watched = {
		isAway: false,
		store: {
			query: async (text: string, parameters: []) => {
				if (watched.isAway) throw new StoreUnavailable('away');
				const rows = await store.query(text, parameters);
				if (text.startsWith('UPDATE processes')) renewed();
				return rows;
			},
			syncClock: () => store.syncClock(),
		} as Store,
		async next(count: number) {
			for (let n = 0; n < count; n++) await new Promise<void>((resolve) => (renewed = resolve));
		},
	};
	return watched;
}

t.test('a process lives while its lease is renewed, and is dead once it ends it', (t) =>
	eachStore(t, async (t, database) => {
		const watched = renewals(await database.open());
		const other = await database.open();
		const started = performance.now();
		const lease = await holdLease(watched.store, { ...QUICK, name: 'here:1', onLost: never });
		t.match(await other.query('SELECT id, name, started_at FROM processes'), [{ id: lease.processId, name: 'here:1', started_at: Number }]);
		while (performance.now() < started + 1.2 * QUICK.leaseMs) await watched.next(1);
		t.ok(lease.isHeld(), 'for longer than one lease lasts');
		t.equal(await isAlive(other, lease.processId), true);
		await lease.end();
		t.notOk(lease.isHeld());
		t.equal(await isAlive(other, lease.processId), false, 'nobody has to wait for it to run out');
		await lease.end();
	}),
);

t.test('a lease is lost once it has run out', async (t) => {
	const store = await embedded(t).open();

	await t.test('on the database', async (t) => {
		let lost: (why: string) => void = () => {};
		const why = new Promise<string>((resolve) => (lost = resolve));
		const lease = await holdLease(store, { leaseMs: 60_000, renewMs: 20, onLost: lost });
		await store.query('UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1', [lease.processId]);
		t.match(await why, /run out on the database/);
		t.notOk(lease.isHeld());
		t.equal(await isAlive(store, lease.processId), false, 'it is never revived: others may have acted on it');
	});

	await t.test('while the database can not be reached', async (t) => {
		const watched = renewals(store);
		const losses: string[] = [];
		let lost: () => void = () => {};
		const isLost = new Promise<void>((resolve) => (lost = resolve));
		const lease = await holdLease(watched.store, {
			...QUICK,
			onLost: (why) => {
				losses.push(why);
				lost();
			},
		});
		watched.isAway = true;
		await isLost;
		t.notOk(lease.isHeld());
		watched.isAway = false;
		await lease.end();
		t.same(losses, ['the database could not be reached in time'], 'said once');
	});

	await t.test('but not while it is away for a moment', async (t) => {
		const watched = renewals(store);
		const lease = await holdLease(watched.store, { leaseMs: 60_000, renewMs: 10, onLost: never });
		await watched.next(1);
		watched.isAway = true;
		await new Promise((resolve) => setTimeout(resolve, 25));
		watched.isAway = false;
		await watched.next(2);
		t.ok(lease.isHeld());
		await lease.end();
	});
});

t.test('the deployment key is one for all replicas, or the configured one', (t) =>
	eachStore(t, async (t, database) => {
		const [one, two] = [await database.open(), await database.open()];
		const keys = await Promise.all([deploymentKey(one), deploymentKey(two), deploymentKey(one)]);
		t.equal(keys[0]?.length, 32);
		for (const key of keys) t.same([...key], [...(keys[0] as Uint8Array)]);
		t.same([...(await deploymentKey(one, '0a'.repeat(32)))], Array(32).fill(10));
	}),
);
