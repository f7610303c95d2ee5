/** One of the processes that reserve, settle and give back as fast as they can: until told to stop, or killed. */
import type { BudgetCharge } from '../src/domain.ts';
import { createAdmission } from '../src/grouped-admission.ts';
import { aCharge, anEvent, aSettlement, keys } from '../src/ledger-fixture.ts';
import { holdLease } from '../src/store/lease.ts';
import { openStore } from '../src/store/open.ts';
import { seeded } from './random.ts';

export interface ReserverTask {
	readonly dsn: string;
	readonly seed: number;
	/** Attempts that were made before it began: which budgets it meets. */
	readonly earlier: number;
}

const WORKERS = 64;
const REPORT_EVERY = 500;
/** Budgets that are used at one time, and for how many attempts. */
const BUDGETS = 8;
const ATTEMPTS_PER_WINDOW = 600;
export const LIMIT = 4_000;
const MAX_COST = 50;

if (import.meta.main) await run(JSON.parse(process.argv[2]!) as ReserverTask);

async function run({ dsn, seed, earlier }: ReserverTask): Promise<void> {
	const random = seeded(seed);
	const sql = await openStore({ dsn, dataDir: '' });
	const { processId } = await holdLease(sql, { onLost: (why) => fail(new Error(why)) });
	const admission = await createAdmission({ sql, stream: processId, keys, onFault: fail });
	let isStopping = false;
	let made = earlier;
	let unreported = 0;
	process.on('message', () => (isStopping = true));

	const attempt = async (): Promise<void> => {
		const window = Math.floor(made++ / ATTEMPTS_PER_WINDOW);
		const taken = new Set(Array.from({ length: 1 + random.below(3) }, () => random.below(BUDGETS)));
		const charges: BudgetCharge[] = [...taken].map((n) =>
			aCharge({ key: `${window} ${n}`, limit: LIMIT, cost: random.below(MAX_COST + 1) }),
		);
		const reservations = charges.map(({ key, cost }) => ({ key, cost }));
		const request = { event: anEvent({ detail: { reservations } }), charges };
		const { kind } = await admission.admit(request);
		if (kind === 'granted') {
			const fate = (['sent', 'sent', 'unknown', 'not_sent'] as const)[random.below(4)]!;
			// Some cost less than was reserved, a few cost more.
			const costs =
				fate === 'sent' && random.below(3) === 0
					? charges.map(({ key }) => [key, random.below(random.below(20) === 0 ? 500 : 20)] as const)
					: [];
			const settlement = aSettlement(request, fate, { costs: new Map(costs) });
			await admission.settle({ ...settlement, event: { ...settlement.event, detail: { fate, costs: Object.fromEntries(costs) } } });
		}
		if (++unreported === REPORT_EVERY) {
			process.send!(unreported);
			unreported = 0;
		}
	};
	await Promise.all(
		Array.from({ length: WORKERS }, async () => {
			while (!isStopping) await attempt();
		}),
	);
	await admission.close();
	process.exit(0);
}

function fail(error: unknown): never {
	console.error(error);
	process.exit(1);
}
