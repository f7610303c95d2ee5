import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseOn } from '../../soak/database.ts';
import { startPostgres } from '../../test/postgres.ts';
import type { Measured, SectionOptions } from '../section.ts';
import { measureHeld } from './held.ts';
import { measureWakeUps } from './wake-ups.ts';

export const says = 'how soon a call goes on when a person has clicked, on one replica and on two, and what held calls cost, on PostgreSQL';

/** How much is done for each figure. */
export interface Plan {
	readonly clicks: number;
	readonly held: number;
}

const FULL: Plan = { clicks: 100, held: 10_000 };
const QUICK: Plan = { clicks: 2, held: 40 };

/** @throws {Error} a call did not end as it must. */
export async function measure({ isQuick, say }: SectionOptions): Promise<Measured> {
	const plan = isQuick ? QUICK : FULL;
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-bench-'));
	const server = await startPostgres();
	try {
		const wakeUps = [];
		for (const replicas of [1, 2] as const)
			wakeUps.push(
				await measureWakeUps({ folder, dsn: await databaseOn(server, `wake_ups_${replicas}`), replicas, clicks: plan.clicks, say }),
			);
		const held = await measureHeld({ folder, dsn: await databaseOn(server, 'held'), calls: plan.held, say });
		const ms = (value: number) => `${value.toFixed(1)} ms`;
		const rows = [
			...wakeUps.map(({ replicas, p50Ms, p95Ms }) => ({
				what: `from click to forwarded call, ${replicas === 1 ? 'one replica' : 'decided on the other of two replicas'}`,
				value: `p50 ${ms(p50Ms)}`,
				more: `p95 ${ms(p95Ms)}`,
			})),
			{ what: `${held.calls} held calls`, value: `${held.kilobytesEach.toFixed(1)} kB each`, more: `of the gateway's resident memory` },
			{
				what: `${held.calls} held calls, approved and run`,
				value: `${held.resolved} resolved`,
				more: `in ${Math.round(held.resolvedInMs / 1000)} s`,
			},
		];
		return { rows, figures: { wakeUps, held } };
	} finally {
		await server.stop();
		rmSync(folder, { recursive: true, force: true });
	}
}
