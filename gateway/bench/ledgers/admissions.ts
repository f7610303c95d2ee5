import { setTimeout as pause } from 'node:timers/promises';
import type { BudgetCharge } from '../../src/domain.ts';
import type { GroupedAdmission } from '../../src/grouped-admission.ts';
import { eventRow } from '../../src/store/event-row.ts';
import { conceal } from '../../src/ledger-fixture.ts';
import type { Sql } from '../../src/store/sql.ts';
import { median } from '../load.ts';
import type { Figure, Plan } from './section.ts';
import { aCall, aWriter, someCharges } from './writer.ts';

const BATCHES = [1, 8, 128];
const BUDGETS: readonly (readonly [says: string, charges: () => BudgetCharge[]])[] = [
	['no budget', () => []],
	['one hot budget', () => someCharges(1, 1)],
	['one budget of 1,000', () => someCharges(1, 1_000)],
	['three hot budgets', () => someCharges(3, 1)],
	['three budgets of 1,000 each', () => someCharges(3, 1_000)],
];

/** Admissions at full speed, then at rates that are offered whatever happens. */
export async function* measureAdmissions(sql: Sql, plan: Plan): AsyncGenerator<Figure> {
	const plainPerSecond = await plainInserts(sql, plan.durationMs);
	yield { what: 'reference: bare inserts of the same rows, batches of 128, no chain', value: plainPerSecond, unit: 'rows/s' };
	for (const batch of BATCHES) {
		for (const [says, charges] of BUDGETS) {
			const admission = await aWriter(sql, batch);
			const perSecond = await atFullSpeed(admission, batch * 2, charges, plan.durationMs);
			yield {
				what: `admissions, ${says}, batches of ${batch}`,
				value: perSecond,
				unit: 'calls/s',
				more: `${(perSecond / plainPerSecond).toFixed(2)} × reference`,
			};
			await admission.close();
		}
	}
	for (const rate of plan.rates) {
		const admission = await aWriter(sql, 128);
		const waitsMs = await offered(admission, rate, plan.durationMs * 2);
		const sorted = waitsMs.toSorted((a, b) => a - b);
		yield {
			what: `wait for the record at ${rate} calls/s offered`,
			value: median(waitsMs),
			unit: 'ms p50',
			more: `p99 ${sorted[Math.floor(sorted.length * 0.99)]!.toFixed(2)} ms, ${waitsMs.length} calls`,
		};
		await admission.close();
	}
}

async function atFullSpeed(
	admission: GroupedAdmission,
	concurrency: number,
	charges: () => BudgetCharge[],
	durationMs: number,
): Promise<number> {
	let calls = 0;
	const beganMs = performance.now();
	await Promise.all(
		Array.from({ length: concurrency }, async () => {
			while (performance.now() - beganMs < durationMs) {
				const { kind } = await admission.admit(aCall(charges()));
				if (kind !== 'granted') throw new Error(`an admission was ${kind}`);
				calls++;
			}
		}),
	);
	return calls / ((performance.now() - beganMs) / 1000);
}

/** Open loop: what is late is not offered less often. */
async function offered(admission: GroupedAdmission, perSecond: number, durationMs: number): Promise<number[]> {
	const waitsMs: number[] = [];
	const calls: Promise<void>[] = [];
	const beganMs = performance.now();
	const admit = async (): Promise<void> => {
		const askedMs = performance.now();
		await admission.admit(aCall());
		waitsMs.push(performance.now() - askedMs);
	};
	for (let nowMs = beganMs; nowMs - beganMs < durationMs; nowMs = performance.now()) {
		while (calls.length < ((nowMs - beganMs) / 1000) * perSecond) calls.push(admit());
		await pause(1);
	}
	await Promise.all(calls);
	return waitsMs;
}

async function plainInserts(sql: Sql, durationMs: number): Promise<number> {
	await sql.query('CREATE TABLE bench_plain (id text PRIMARY KEY, time_ms bigint, principal text, agent text, tool text, body text)');
	const beganMs = performance.now();
	let rows = 0;
	while (performance.now() - beganMs < durationMs) {
		const batch = Array.from({ length: 128 }, () => eventRow(aCall().event, conceal));
		await sql.query(
			'INSERT INTO bench_plain SELECT * FROM jsonb_to_recordset($1::jsonb) AS (id text, time_ms bigint, principal text, agent text, tool text, body text)',
			[JSON.stringify(batch)],
		);
		rows += batch.length;
	}
	const perSecond = rows / ((performance.now() - beganMs) / 1000);
	await sql.query('DROP TABLE bench_plain');
	return perSecond;
}
