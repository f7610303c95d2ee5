import fc from 'fast-check';
import t from 'tap';
import { eachStore } from '../../test/stores.ts';
import type { BudgetDemand, BudgetDimension, Tool, ToolCall } from '../domain.ts';
import { aCharge, anAdmission, aProcess, aRequest, aSettlement, budgetOf, conceal, readChain } from '../ledger-fixture.ts';
import { createBudgets } from './budgets.ts';
import { charges, withoutWindow } from './charges.ts';
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

t.test('every combination of dimensions, period and time zone counts what it says, over many windows', async () => {
	const zones = ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'Pacific/Apia'];
	const periods = ['turn', 'session', 'minute', 'hour', 'day', 'month', 90] as const;
	const dimensions: BudgetDimension[] = ['principal', 'agent', 'session', 'server', 'tool', 'value:eu', 'value:us'];
	const drawn = fc.record({
		by: fc.uniqueArray(fc.constantFrom(...dimensions)),
		per: fc.constantFrom(...periods),
		timezone: fc.constantFrom(...zones),
		principal: fc.constantFrom('alice@example.com', 'bob@example.com'),
		session: fc.constantFrom<(string | undefined)[]>(undefined, 's1', 's2'),
		tool: fc.constantFrom('create_refund', 'get_charge'),
		// A few days around the change of the clocks.
		nowMs: fc.integer({ min: at('2026-03-27T00:00:00Z'), max: at('2026-04-02T00:00:00Z') }),
	});
	type Drawn = typeof drawn extends fc.Arbitrary<infer D> ? D : never;
	const keyFor = ({ by, per, timezone, principal, session, tool: name, nowMs }: Drawn) =>
		charges([demand({ by, per, timezone })], aCall(principal, session), { ...tool, name }, nowMs)[0]!.key;
	/** The same by other means: what the local clock of the zone shows. */
	const local = (timezone: string, nowMs: number, length: number) =>
		new Intl.DateTimeFormat('sv', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' }).format(nowMs).slice(0, length);
	const offsetMs = (timezone: string, nowMs: number) =>
		Date.parse(`${local(timezone, nowMs, 16).replace(' ', 'T')}Z`) - Math.floor(nowMs / 60_000) * 60_000;
	const identity = ({ by, per, timezone, principal, session = '', tool: name, nowMs }: Drawn) => {
		const who = { principal, agent: 'bot', session: [principal, session], server: 'stripe', tool: name } as Record<string, unknown>;
		const inWindow =
			{
				turn: [principal, session, Math.floor(nowMs / 300_000)],
				session: [principal, session],
				minute: Math.floor(nowMs / 60_000),
				hour: nowMs - ((nowMs + offsetMs(timezone, nowMs)) % 3_600_000),
				day: [
					timezone === 'UTC' ||
						at(`${local(timezone, nowMs, 10)}T00:00:00Z`) - offsetMs(timezone, at(`${local(timezone, nowMs, 10)}T00:00:00Z`)),
					local(timezone, nowMs, 10),
				],
				month: [timezone, local(timezone, nowMs, 7)],
			}[per as string] ?? Math.floor(nowMs / 90_000);
		return JSON.stringify([by.toSorted().map((each) => (each.startsWith('value:') ? each : [each, who[each]])), per, inWindow]);
	};
	const isZoned = ({ per }: Drawn) => per === 'day' || per === 'month' || per === 'hour';
	fc.assert(
		fc.property(drawn, drawn, fc.boolean(), (one, other, isAlike) => {
			// Mostly alike, or else nearly no two would share a budget. Zones whose days begin at one moment share them; that is another property.
			const two: Drawn = isAlike
				? { ...one, nowMs: other.nowMs, principal: other.principal, session: other.session }
				: { ...other, timezone: isZoned(one) || isZoned(other) ? one.timezone : other.timezone };
			return (keyFor(one) === keyFor(two)) === (identity(one) === identity(two));
		}),
		{ numRuns: 5_000 },
	);
});

t.test('a cost or limit that is negative, fractional, huge or no number is refused by name, also where costs add up', async (t) => {
	for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN, Infinity, '1' as never, null as never]) {
		t.throws(() => charges([demand({ cost: wrong })], aCall(), tool, 0), {
			name: 'PolicyError',
			message: /cost of the budget payments\.daily/,
		});
		t.throws(() => charges([demand({ limit: wrong })], aCall(), tool, 0), {
			name: 'PolicyError',
			message: /limit of the budget payments\.daily/,
		});
	}
	const most = Number.MAX_SAFE_INTEGER;
	t.throws(() => charges([demand({ cost: most, limit: most }), demand({ cost: 1 })], aCall(), tool, 0), {
		name: 'PolicyError',
		message: /come to more/,
	});
	t.match(charges([demand({ cost: 0 }), demand({ cost: most, limit: most })], aCall(), tool, 0), [{ cost: most, limit: 100 }]);
});

t.test('calls over many windows take from old and new ones at once, exactly what each has left', (t) =>
	eachStore(t, async (t, database) => {
		const admission = await anAdmission(t, await aProcess(database));
		const demands = fc.subarray(
			[
				demand({ rule: 'a', per: 'minute', limit: 30 }),
				demand({ rule: 'b', per: 'day', limit: 70 }),
				demand({ rule: 'c', per: 90, by: ['agent'], limit: 40 }),
				demand({ rule: 'd', per: 'day', timezone: 'Asia/Kolkata', by: [], limit: 50 }),
			],
			{ minLength: 1 },
		);
		const step = fc.record({ demands, cost: fc.integer({ min: 0, max: 25 }), laterMs: fc.integer({ min: 0, max: 60_000 }) });
		let run = 0;
		const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
			const principal = `p${++run}@example.com`;
			// Across midnight in Kolkata.
			let nowMs = at('2026-03-27T18:28:00Z');
			const model = new Map<string, number>();
			for (const { demands: wanted, cost, laterMs } of steps) {
				nowMs += laterMs;
				const asked = charges(
					wanted.map((each) => ({ ...each, rule: `${each.rule}.${run}`, cost })),
					aCall(principal),
					tool,
					nowMs,
				);
				const fits = asked.every(({ key, limit }) => (model.get(key) ?? 0) + cost <= limit);
				const answer = await admission.admit(aRequest(asked));
				if (answer.kind !== (fits ? 'granted' : 'budgetExceeded')) return false;
				if (fits) for (const { key } of asked) model.set(key, (model.get(key) ?? 0) + cost);
			}
			return true;
		});
		await fc.assert(property, { numRuns: 10 });
	}),
);

t.test('what a call really cost above its reservation blocks the calls that come later', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const first = aRequest([aCharge({ cost: 10, limit: 100 })]);
		await admission.admit(first);
		await admission.settle(aSettlement(first, 'sent', { costs: new Map([['cents', 250]]) }));
		t.same(await budgetOf(process.sql, 'cents'), { spent: 250, reserved: 0, overrun: 240 });
		t.match(await admission.admit(aRequest([aCharge({ cost: 1, limit: 100 })])), { kind: 'budgetExceeded', used: 250 });
		t.match(
			await admission.admit(aRequest([aCharge({ cost: 0, limit: 100 })])),
			{ kind: 'budgetExceeded' },
			'a call that costs nothing waits too',
		);
		const huge = aRequest([aCharge({ key: 'huge', cost: 0, limit: 100 })]);
		await admission.admit(huge);
		await admission.settle(aSettlement(huge, 'sent', { costs: new Map([['huge', Number.MAX_SAFE_INTEGER]]) }));
		t.match(await budgetOf(process.sql, 'huge'), { spent: Number.MAX_SAFE_INTEGER });
	}),
);

t.test('use over time: the windows of a rule, or of one of its budgets', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const budgets = createBudgets({ ...process, conceal, onFault: (error) => t.fail(String(error)) });
		t.teardown(() => budgets.close());
		const day = 86_400_000;
		const today = Math.floor(Date.now() / day) * day;
		const keys: string[] = [];
		for (const [principal, nowMs, cost] of [
			['alice@example.com', today - day, 30],
			['bob@example.com', today - day, 5],
			['alice@example.com', today, 7],
		] as const) {
			const asked = charges([demand({ cost })], aCall(principal), tool, nowMs);
			keys.push(asked[0]!.key);
			await admission.admit(aRequest(asked));
		}
		t.same(await budgets.history('payments.daily', { limit: 10 }), [
			{ unit: 'cents', windowEndMs: today, budgets: 2, used: 35, overrun: 0, mostUsed: 30, limit: 100 },
			{ unit: 'cents', windowEndMs: today + day, budgets: 1, used: 7, overrun: 0, mostUsed: 7, limit: 100 },
		]);
		t.match(await budgets.history('payments.daily', { limit: 10, key: keys[1]! }), [{ used: 5 }]);
		t.match(
			await budgets.history('payments.daily', { limit: 10, key: keys[2]! }),
			[{ used: 30 }, { used: 7 }],
			'the same budget in another window',
		);
		t.match(await budgets.history('payments.daily', { limit: 1 }), [{ windowEndMs: today + day }], 'the newest');
		t.same(await budgets.history('nonesuch', { limit: 10 }), []);
		t.equal(withoutWindow(`sha256:${'a'.repeat(64)}`), `sha256:${'a'.repeat(64)}`);
	}),
);

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
		t.match(await budgets.list('B'), [{ key: 'b' }], 'only what has the text in its key');
		t.same(await budgets.list('%'), []);
		t.match(await budgets.reset('b', 'bob@example.com', 'a mistake'), { key: 'b', used: 0 });
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
