import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { TrailEvent } from '../src/domain.ts';
import { createAdmission } from '../src/grouped-admission.ts';
import { keys } from '../src/ledger-fixture.ts';
import { holdLease } from '../src/store/lease.ts';
import { openStore } from '../src/store/open.ts';
import type { Sql } from '../src/store/sql.ts';
import { seeded } from './random.ts';
import { LIMIT, type ReserverTask } from './reserver.ts';

export interface BudgetSoakOptions {
	readonly dsn: string;
	readonly attempts: number;
	/** How often one of the processes is killed with SIGKILL. */
	readonly kills: number;
	readonly seed: number;
	readonly say: (line: string) => void;
}

export interface BudgetSoakReport {
	readonly attempts: number;
	readonly granted: number;
	readonly refused: number;
	readonly kills: number;
	/** Intents of killed processes, closed by others. */
	readonly recovered: number;
	readonly budgets: number;
	/** The most that any budget ever held without what calls cost above their reservation; of `limit`. */
	readonly most: number;
	readonly limit: number;
	/** What must not be: empty. */
	readonly violations: readonly string[];
}

const PROCESSES = 3;
const LOOK_EVERY_MS = 100;
const DIE_WITH_PARENT = new URL('../../tools/demo/die-with-parent.ts', import.meta.url).href;

/** Three processes reserve, settle and give back at random; some are killed in the middle and begin anew. Then everything is counted again from the trail. */
export async function soakBudgets({ dsn, attempts, kills, seed, say }: BudgetSoakOptions): Promise<BudgetSoakReport> {
	const random = seeded(seed);
	const sql = await openStore({ dsn, dataDir: '' });
	const violations: string[] = [];
	let made = 0;
	let killed = 0;
	let most = 0;
	let isOver = false;

	const start = (n: number): ChildProcess => {
		const task: ReserverTask = { dsn, seed: seed + n + 1_000 * killed, earlier: Math.floor(made / PROCESSES) };
		const child = spawn(
			process.execPath,
			['--import', DIE_WITH_PARENT, new URL('./reserver.ts', import.meta.url).pathname, JSON.stringify(task)],
			{ stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
		);
		child.on('message', (count: number) => (made += count));
		child.once('exit', (code, signal) => {
			if (signal === 'SIGKILL') children[n] = isOver ? child : start(n);
			else if (code !== 0) violations.push(`a process ended with ${code ?? signal}`);
		});
		return child;
	};
	const children = Array.from({ length: PROCESSES }, (_, n) => n).map(start);
	let told = 0;
	while (made < attempts && violations.length === 0) {
		await pause(LOOK_EVERY_MS);
		most = Math.max(most, await mostHeld(sql, violations));
		if (killed < kills && made > (attempts * (killed + 0.5)) / (kills + 1)) {
			killed++;
			children[random.below(PROCESSES)]!.kill('SIGKILL');
		}
		if (made - told >= attempts / 10) say(`${(told = made)} attempts, the fullest budget holds ${most} of ${LIMIT}`);
	}
	isOver = true;
	for (const child of children) if (child.connected) child.send('stop');
	await Promise.all(
		children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map((child) => once(child, 'exit')),
	);

	// As if the leases of the killed had run out: what they left open is closed.
	await sql.query('UPDATE processes SET lease_until = clock_timestamp()', []);
	const lease = await holdLease(sql, { onLost: (why) => violations.push(why) });
	const survivor = await createAdmission({ sql, stream: lease.processId, keys, onFault: (error) => violations.push(String(error)) });
	await survivor.recover();
	await survivor.close();
	await lease.end();
	most = Math.max(most, await mostHeld(sql, violations));
	const counted = await count(sql, violations);
	await sql.close();
	return { ...counted, kills: killed, most, limit: LIMIT, violations };
}

async function mostHeld(sql: Sql, violations: string[]): Promise<number> {
	const [row] = await sql.query<{ most: number | null }>('SELECT max(spent + reserved - overrun) AS most FROM budgets', []);
	const most = row!.most ?? 0;
	if (most > LIMIT) violations.push(`a budget holds ${most} of ${LIMIT}`);
	return most;
}

/** What the trail says was granted, spent and given back, against the ledger. */
async function count(
	sql: Sql,
	violations: string[],
): Promise<Pick<BudgetSoakReport, 'attempts' | 'granted' | 'refused' | 'recovered' | 'budgets'>> {
	const open = new Map<string, { key: string; cost: number }[]>();
	const spent = new Map<string, number>();
	const ended = new Map<string, TrailEvent>();
	let refused = 0;
	let recovered = 0;
	for await (const { admission, event } of everyEvent(sql)) {
		if (event.kind === 'intent') {
			if (admission === 'granted') open.set(event.intentId!, event.detail!['reservations'] as unknown as { key: string; cost: number }[]);
			else refused++;
		} else if (event.kind === 'outcome' && admission !== 'late') {
			if (ended.has(event.intentId!)) violations.push(`two outcomes of intent ${event.intentId}`);
			ended.set(event.intentId!, event);
			if (event.detail?.['recoveredFrom'] !== undefined) recovered++;
		}
	}
	for (const [intentId, charges] of open) {
		const { detail = {} } = ended.get(intentId) ?? {};
		if (!ended.has(intentId)) violations.push(`no outcome of intent ${intentId}`);
		for (const { key, cost } of charges) {
			const trueCost = (detail['costs'] as Record<string, number> | undefined)?.[key];
			spent.set(key, (spent.get(key) ?? 0) + (detail['fate'] === 'not_sent' ? 0 : (trueCost ?? cost)));
		}
	}
	const rows = await sql.query<{ key: string; spent: number; reserved: number }>('SELECT key, spent, reserved FROM budgets', []);
	for (const row of rows) {
		if (row.reserved !== 0) violations.push(`budget ${row.key}: ${row.reserved} is still reserved`);
		if (row.spent !== (spent.get(row.key) ?? 0))
			violations.push(`budget ${row.key}: the ledger says ${row.spent}, the trail ${spent.get(row.key)}`);
	}
	return { attempts: open.size + refused, granted: open.size, refused, recovered, budgets: rows.length };
}

async function* everyEvent(sql: Sql): AsyncGenerator<{ admission: string; event: TrailEvent }> {
	for (const { id } of await sql.query<{ id: string }>('SELECT id FROM streams', [])) {
		for (let last = 0; ; ) {
			const rows = await sql.query<{ sequence: number; admission: string; body: string }>(
				'SELECT sequence, admission, body FROM events WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT 2000',
				[id, last],
			);
			if (rows.length === 0) break;
			last = rows.at(-1)!.sequence;
			for (const { admission, body } of rows) yield { admission, event: JSON.parse(body) as TrailEvent };
		}
	}
}
