import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/sql.ts';
import { startPostgres } from '../../test/postgres.ts';
import type { Measured, SectionOptions } from '../section.ts';
import type { Row } from '../table.ts';
import { measureAdmissions } from './admissions.ts';
import { measureGrowth } from './growth.ts';
import { measureProof } from './proof.ts';

export const says = 'budgets and the audit trail, on PostgreSQL and embedded, without the rest of the gateway';

/** How much is done for each figure. */
export interface Plan {
	readonly durationMs: number;
	/** Offered, per second. */
	readonly rates: readonly number[];
	/** Rows that are there already, for what must not grow. */
	readonly sizes: readonly number[];
	readonly provedEvents: number;
}

export interface Figure {
	readonly what: string;
	readonly value: number;
	readonly unit: string;
	/** Other figures of the same run. */
	readonly more?: string;
}

const FULL: Record<Store['driver'], Plan> = {
	pg: { durationMs: 1_500, rates: [1_000, 5_000, 10_000], sizes: [0, 1_000_000, 10_000_000], provedEvents: 100_000 },
	// The embedded database is for one gateway on one machine.
	pglite: { durationMs: 1_500, rates: [1_000, 5_000], sizes: [0, 100_000, 1_000_000], provedEvents: 20_000 },
};
const QUICK: Plan = { durationMs: 60, rates: [500], sizes: [0, 1_000], provedEvents: 300 };

/** @throws {Error} something was refused that must be granted, or the chain is broken. */
export async function measure({ isQuick, say }: SectionOptions): Promise<Measured> {
	const rows: Row[] = [];
	const figures: Record<string, Record<string, number>> = {};
	for (const [driver, open] of Object.entries(await stores()) as [Store['driver'], () => Promise<Opened>][]) {
		const plan = isQuick ? QUICK : FULL[driver];
		const name = driver === 'pg' ? 'PostgreSQL' : 'embedded';
		const { store, close } = await open();
		figures[name] = {};
		try {
			for (const measureOne of [measureAdmissions, measureProof, measureGrowth]) {
				for await (const { what, value, unit, more = '' } of measureOne(store, plan)) {
					say(`${name}: ${what}: ${shown(value)} ${unit}`);
					rows.push({ store: name, what, value: shown(value), unit, more });
					figures[name][`${what}, ${unit}`] = value;
				}
			}
		} finally {
			await close();
		}
	}
	return { rows, figures };
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

interface Opened {
	readonly store: Store;
	close(): Promise<void>;
}

/** Durable, as in production. */
async function stores(): Promise<Record<Store['driver'], () => Promise<Opened>>> {
	return {
		async pg() {
			const server = await startPostgres({ isDurable: true });
			const store = await openStore({ dsn: server.dsn, dataDir: '' });
			return { store, close: () => store.close().then(() => server.stop()) };
		},
		async pglite() {
			const dataDir = await mkdtemp(join(tmpdir(), 'toolgate-bench-'));
			const store = await openStore({ dsn: '', dataDir });
			return { store, close: () => store.close().then(() => rm(dataDir, { recursive: true, force: true })) };
		},
	};
}
