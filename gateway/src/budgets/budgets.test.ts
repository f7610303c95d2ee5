import fc from 'fast-check';
import t from 'tap';
import { eachStore } from '../../test/stores.ts';
import type { BudgetDemand, Tool, ToolCall } from '../domain.ts';
import { aCharge, anAdmission, aProcess, aRequest, conceal, readChain } from '../ledger-fixture.ts';
import { createBudgets } from './budgets.ts';
import { charges } from './charges.ts';
import { windowOf } from './windows.ts';

const owner = { principal: 'alice@example.com', agent: 'bot' };
const at = (iso: string) => Date.parse(iso);

t.test('windows follow one another without gap or overlap, in UTC and in time zones', async (t) => {
	const periods = fc.constantFrom('minute' as const, 'hour' as const, 'day' as const, 'month' as const, 1, 7, 90, 86_400);
	const zones = fc.constantFrom(
		'UTC',
		'Europe/Berlin',
		'America/New_York',
		'Asia/Kolkata',
		'Australia/Lord_Howe',
		'Pacific/Apia',
		'America/Santiago',
	);
	fc.assert(
		fc.property(periods, zones, fc.integer({ min: at('2011-01-01'), max: at('2031-01-01') }), (period, zone, nowMs) => {
			const { label, endMs } = windowOf(period, nowMs, owner, zone);
			const last = windowOf(period, endMs - 1, owner, zone);
			const next = windowOf(period, endMs, owner, zone);
			return endMs > nowMs && last.label === label && last.endMs === endMs && next.label !== label && next.endMs > endMs;
		}),
		{ numRuns: 1_000 },
	);
	t.equal(
		windowOf('day', at('2026-03-29T10:00:00Z'), owner, 'Europe/Berlin').endMs,
		at('2026-03-29T22:00:00Z'),
		'a day of 23 hours ends at local midnight',
	);
	t.equal(windowOf('day', at('2026-03-29T10:00:00Z'), owner).endMs, at('2026-03-30T00:00:00Z'));
	t.equal(
		windowOf('month', at('2026-02-28T23:30:00Z'), owner, 'Asia/Kolkata').endMs,
		at('2026-03-31T18:30:00Z'),
		'it is March there already',
	);
	t.equal(windowOf(90, at('1970-01-01T00:01:31Z'), owner).endMs, 180_000);
	t.throws(() => windowOf('day', 0, owner, 'Mars/Olympus'), { name: 'PolicyError', message: /Mars\/Olympus/ });
});

t.test("a turn is its agent's own; without a name it is principal, agent and session for five minutes", async (t) => {
	const label = (fields: object, nowMs = 0) => windowOf('turn', nowMs, { ...owner, ...fields }).label;
	t.equal(label({ turn: 't1', session: 'a' }), label({ turn: 't1', session: 'b' }, 86_400_000));
	t.not(label({ turn: 't1' }), label({ turn: 't2' }));
	t.not(label({ turn: 't1' }), label({ turn: 't1', principal: 'bob@example.com' }));
	t.equal(label({ session: 'a' }), label({ session: 'a' }, 299_999));
	t.not(label({ session: 'a' }), label({ session: 'a' }, 300_000));
	t.not(label({ session: 'a' }), label({ session: 'b' }));
	t.not(label({}), label({ agent: 'other' }));
	t.equal(windowOf('turn', 0, owner).endMs, 300_000);
	t.equal(windowOf('session', 0, owner).label, windowOf('session', 86_400_000, owner).label, 'without sessions: principal and agent');
});

const tool: Tool = {
	upstream: 'stripe',
	name: 'create_refund',
	listedName: 'x',
	definition: {},
	digest: 'd',
	pinned: true,
	validate: () => undefined,
};
const aCall = (principal = 'alice@example.com', session?: string): ToolCall => ({
	id: 'c',
	caller: {
		principal: { id: principal, kind: 'user', groups: [], claims: {} },
		agent: { id: 'bot' },
		session: { ...(session === undefined ? {} : { id: session }), era: 'legacy' },
	},
	name: 'x',
	arguments: {},
	argumentsBytes: 2,
	message: {},
	downstream: { notify: () => undefined, cancelled: new AbortController().signal },
});
const demand = (fields: Partial<BudgetDemand> = {}): BudgetDemand => ({
	rule: 'payments.daily',
	by: ['principal'],
	per: 'day',
	unit: 'cents',
	limit: 100,
	cost: 10,
	...fields,
});
const keyOf = (fields: Partial<BudgetDemand>, call = aCall()): string => charges([demand(fields)], call, tool, 0)[0]!.key;

t.test('a budget is its rule, unit, dimensions and window; demands of one budget are merged', async (t) => {
	t.match(
		charges([demand({ cost: 10, limit: 100 }), demand({ cost: 5, limit: 80 }), demand({ unit: 'calls', cost: 1 })], aCall(), tool, 0),
		[
			{ cost: 15, limit: 80, isAttempt: false, windowEndMs: 86_400_000 },
			{ unit: 'calls', cost: 1, isAttempt: true },
		],
	);
	t.equal(keyOf({ by: ['agent', 'principal'] }), keyOf({ by: ['principal', 'agent', 'agent'] }), 'dimensions are a set');
	const keys = [
		keyOf({}),
		keyOf({ rule: 'other' }),
		keyOf({ unit: 'euros' }),
		keyOf({ by: ['agent'] }),
		keyOf({ by: ['session'] }),
		keyOf({ by: ['session'] }, aCall(undefined, 's1')),
		keyOf({ by: ['server'] }),
		keyOf({ by: ['tool'] }),
		keyOf({ by: ['value:alice@example.com'] }),
		keyOf({ by: ['value:a', 'value:b'] }),
		keyOf({ by: [] }),
		keyOf({ per: 'hour' }),
		keyOf({ per: 86_400 }),
		keyOf({}, aCall('bob@example.com')),
		keyOf({}, aCall('bob@example.com'.padEnd(5_000, 'x'))),
		keyOf({}, aCall('bob@example.com'.padEnd(5_001, 'x'))),
	];
	t.equal(new Set(keys).size, keys.length);
	t.ok(keys.every((key) => Buffer.byteLength(key) <= 1_000));
	t.equal(
		charges([demand({ settle: { pointer: '/structuredContent/amount' }, message: 'm' })], aCall(), tool, 0)[0]!.settlePointer,
		'/structuredContent/amount',
	);
});

t.test('budgets are listed, shown and reset; a reset is recorded and keeps what is reserved', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const budgets = createBudgets({ ...process, conceal, onFault: (error) => t.fail(String(error)) });
		t.teardown(() => budgets.close());
		await admission.admit(
			aRequest([
				aCharge({ key: 'a', cost: 40, limit: 100 }),
				aCharge({ key: 'b', unit: 'calls', cost: 3, limit: 4, isAttempt: true }),
				aCharge({ key: 'old', windowEndMs: 1_000 }),
			]),
		);
		t.match(await budgets.list(), [
			{ key: 'b', used: 3, spent: 3, reserved: 0, limit: 4, unit: 'calls' },
			{ key: 'a', used: 40, spent: 0, reserved: 40, limit: 100, overrun: 0 },
		]);
		t.match(await budgets.reset('b', 'bob@example.com'), { key: 'b', used: 0 });
		t.match(await budgets.show('b'), { used: 0 });
		t.match(await budgets.reset('a', 'bob@example.com'), { used: 40, reserved: 40 });
		await t.rejects(budgets.reset('nonesuch', 'bob@example.com'), { code: 'NOT_FOUND' });
		const acts = (await readChain(t, process.sql)).filter(({ event }) => event.kind === 'operator');
		t.match(
			acts.map(({ event }) => event.detail),
			[
				{ by: 'bob@example.com', key: 'b', spent: 3 },
				{ key: 'a', spent: 0 },
			],
		);
		t.equal(await budgets.prune(), 0, 'a window that still holds a reservation stays');
		await process.sql.query(`UPDATE budgets SET reserved = 0 WHERE key = 'old'`, []);
		t.equal(await budgets.prune(), 1);
	}),
);
