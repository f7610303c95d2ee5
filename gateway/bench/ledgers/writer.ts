import { randomUUID } from 'node:crypto';
import type { AdmissionRequest } from '../../src/admission.ts';
import type { BudgetCharge, TrailEvent } from '../../src/domain.ts';
import { createAdmission, type GroupedAdmission } from '../../src/grouped-admission.ts';
import { aCharge, keys } from '../../src/ledger-fixture.ts';
import type { Sql } from '../../src/store/sql.ts';

const HOUR_MS = 3_600_000;

/** A writer with a stream of its own, alive for hours. @throws what goes wrong behind its back, later */
export async function aWriter(sql: Sql, maxBatch: number): Promise<GroupedAdmission> {
	const stream = randomUUID();
	await sql.query(`INSERT INTO processes (id, name, lease_until) VALUES ($1, 'bench', clock_timestamp() + interval '10 hours')`, [stream]);
	return createAdmission({
		sql,
		stream,
		keys,
		maxBatch,
		maxWaiting: 1_000_000,
		recoverEveryMs: 10 * HOUR_MS,
		onFault: (error) => {
			throw error;
		},
	});
}

/** A call as the gateway records one: about 1.1 kB. */
export function aCall(charges: readonly BudgetCharge[] = []): AdmissionRequest {
	const [callId, decisionId, intentId] = [randomUUID(), randomUUID(), randomUUID()];
	const event: TrailEvent = {
		version: 1,
		id: randomUUID(),
		kind: 'intent',
		timeMs: Date.now(),
		callId,
		decisionId,
		intentId,
		principal: 'alice@example.com',
		agent: 'billing-bot',
		session: 'e7a9c3c2-2f6b-4a0e-8a53-0d1d2c3b4a5f',
		server: 'stripe',
		tool: 'create_refund',
		decision: 'allow',
		revision: `sha256:${'ab'.repeat(32)}`,
		input: {
			version: 1,
			method: 'tools/call',
			principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
			agent: { id: 'billing-bot', name: 'billing', version: '1.0.0' },
			session: { id: 'e7a9c3c2-2f6b-4a0e-8a53-0d1d2c3b4a5f', era: 'legacy' },
			server: { name: 'stripe' },
			tool: { name: 'create_refund', annotations: { destructiveHint: true }, definitionDigest: `sha256:${'cd'.repeat(32)}`, pinned: true },
			arguments: { charge: `ch_${callId}`, amount: 1200 },
			argumentsDigest: `hmac-sha256:01234567:${'ef'.repeat(32)}`,
			argumentsBytes: 62,
			approvals: [],
			time: { ms: 1795000000000, iso: '2026-11-18T11:06:40.000Z', weekday: 'wednesday', hour: 11, timezone: 'UTC' },
			environment: 'production',
		},
		...(charges.length === 0
			? {}
			: { detail: { reservations: charges.map(({ key, rule, unit, cost, limit }) => ({ key, rule, unit, cost, limit })) } }),
	};
	return { event, charges };
}

/** @param among how many budgets of each kind there are */
export function someCharges(count: number, among: number): BudgetCharge[] {
	return Array.from({ length: count }, (_, n) =>
		aCharge({ key: `${n} of ${count}: ${Math.floor(Math.random() * among)}`, limit: Number.MAX_SAFE_INTEGER, cost: 1 }),
	);
}
