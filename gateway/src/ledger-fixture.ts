/** What tests of the ledgers share: processes on one database, events, charges, and a second opinion on the chain. */
import { createHash, randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import type { FreshDatabase } from '../test/stores.ts';
import type { AdmissionRequest, Settlement } from './admission.ts';
import { type Conceal, createConceal } from './conceal.ts';
import type { BudgetCharge, TrailEvent } from './domain.ts';
import { type AdmissionOptions, createAdmission, type GroupedAdmission } from './grouped-admission.ts';
import { deriveKeys, type Keys } from './keys.ts';
import type { Sql } from './store/sql.ts';

export const keys: Keys = deriveKeys(Buffer.alloc(32, 7));
export const conceal: Conceal = createConceal(keys.keyedDigest);

/** A process on the database: its stream, alive for an hour unless told otherwise. */
export async function aProcess(database: FreshDatabase, leaseMs = 3_600_000): Promise<{ sql: Sql; stream: string }> {
	const sql = await database.open();
	const stream = randomUUID();
	await sql.query(`INSERT INTO processes (id, name, lease_until) VALUES ($1, 'test', clock_timestamp() + $2 * interval '1 millisecond')`, [
		stream,
		leaseMs,
	]);
	return { sql, stream };
}

export async function anAdmission(
	t: Test,
	process: { sql: Sql; stream: string },
	options: Partial<AdmissionOptions> = {},
): Promise<GroupedAdmission> {
	const admission = await createAdmission({
		...process,
		keys,
		onFault: (error) => t.fail(String(error)),
		recoverEveryMs: 3_600_000,
		...options,
	});
	t.teardown(() => admission.close(100));
	return admission;
}

export function anEvent(fields: Partial<TrailEvent> = {}): TrailEvent {
	return {
		version: 1,
		id: randomUUID(),
		kind: 'intent',
		timeMs: Date.now(),
		callId: randomUUID(),
		intentId: randomUUID(),
		principal: 'alice@example.com',
		agent: 'billing-bot',
		server: 'stripe',
		tool: 'create_refund',
		decision: 'allow',
		...fields,
	};
}

export function aCharge(fields: Partial<BudgetCharge> = {}): BudgetCharge {
	return {
		key: 'cents',
		rule: 'payments.daily',
		unit: 'cents',
		limit: 100,
		cost: 1,
		windowEndMs: Date.now() + 3_600_000,
		isAttempt: false,
		...fields,
	};
}

export const aRequest = (charges: readonly BudgetCharge[] = [], fields: Partial<TrailEvent> = {}): AdmissionRequest => ({
	event: anEvent(fields),
	charges,
});

/** How the call of a request ended. */
export function aSettlement({ event }: AdmissionRequest, fate: Settlement['fate'] = 'sent', rest: Partial<Settlement> = {}): Settlement {
	const { id: _id, ...joined } = event;
	return {
		event: { ...joined, id: randomUUID(), kind: 'outcome', outcome: fate === 'sent' ? 'ok' : 'upstream_error' },
		fate,
		costs: new Map(),
		...rest,
	};
}

export async function budgetOf(sql: Sql, key: string): Promise<{ spent: number; reserved: number; overrun: number } | undefined> {
	const [row] = await sql.query<{ spent: number; reserved: number; overrun: number }>(
		'SELECT spent, reserved, overrun FROM budgets WHERE key = $1',
		[key],
	);
	return row && { spent: row.spent, reserved: row.reserved, overrun: row.overrun };
}

export interface Chained {
	[column: string]: unknown;
	stream: string;
	sequence: number;
	admission: string;
	body: string;
	hash: Uint8Array;
	event: TrailEvent;
}

/** The events of the trail in order, each stream's hashes computed anew from bodies and words alone. */
export async function readChain(t: Test, sql: Sql): Promise<Chained[]> {
	const rows = await sql.query<Chained>('SELECT stream, sequence, admission, body, hash FROM events ORDER BY stream, sequence', []);
	let hash = Buffer.alloc(32);
	for (const [n, row] of rows.entries()) {
		if (rows[n - 1]?.stream !== row.stream) hash = Buffer.alloc(32);
		t.equal(row.sequence, rows[n - 1]?.stream === row.stream ? rows[n - 1]!.sequence + 1 : 1, 'the sequence has no hole');
		hash = createHash('sha256').update(hash).update(createHash('sha256').update(row.body).digest()).update(row.admission).digest();
		if (Buffer.compare(hash, row.hash) !== 0) t.fail(`the hash of ${row.stream} ${row.sequence} is another`);
		row.event = JSON.parse(row.body) as TrailEvent;
	}
	return rows;
}
