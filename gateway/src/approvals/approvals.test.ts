import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { until } from '../../test/until.ts';
import { eachStore, type FreshDatabase } from '../../test/stores.ts';
import type { ApprovalRequirement, Tool } from '../domain.ts';
import { anAdmission, anEvent, aProcess, aSettlement, keys, readChain } from '../ledger-fixture.ts';
import type { Sql } from '../store/sql.ts';
import { traceOf } from '../audit/trace.ts';
import { createTrail } from '../audit/trail.ts';
import type { ApprovalView, ApprovalWish, DecideRequest, Notifier } from './approval.ts';
import type { ApprovalEntry } from './approval-ledger.ts';
import { type Approvals, type ApprovalsOptions, createApprovals } from './approvals.ts';
import { WakeUps } from './wake-ups.ts';

const bob = { id: 'bob@example.com', groups: ['finance'] };
const carol = { id: 'carol@example.com', groups: ['finance'] };

interface WishFields {
	requirements?: ApprovalRequirement[];
	ttlSeconds?: number;
	argumentsDigest?: string;
	sentDigest?: string;
	definitionDigest?: string;
	principal?: string;
	cancelled?: AbortSignal;
}

function aWish(fields: WishFields = {}): ApprovalWish {
	const { ttlSeconds = 60, argumentsDigest = 'arguments', sentDigest = 'sent', principal = 'alice@example.com' } = fields;
	const requirements = fields.requirements ?? [{ rule: 'payments.refund', approvers: ['group:finance'], quorum: 1, ttlSeconds }];
	const callId = randomUUID();
	const decisionId = randomUUID();
	const tool: Tool = {
		upstream: 'stripe',
		name: 'create_refund',
		listedName: 'create_refund',
		definition: {},
		digest: fields.definitionDigest ?? 'definition',
		pinned: true,
		validate: () => undefined,
	};
	const { intentId: _none, ...event } = anEvent({ kind: 'decision', decision: 'approvalRequired', callId, decisionId, principal });
	return {
		event,
		tool,
		argumentsDigest,
		sentDigest,
		recorded: { charge: 'ch_1', note: 'a\0b' },
		sent: { charge: 'ch_1', note: 'a\0b', card: '4242' },
		sinceMs: Date.now(),
		decision: {
			id: decisionId,
			revision: 'r1',
			document: {
				version: 1,
				verdict: 'approvalRequired',
				reasons: [{ rule: 'payments.refund', message: 'a refund moves money' }],
				approvals: requirements,
				budgets: [],
				redactions: [],
				limits: {},
			},
		},
		call: {
			id: callId,
			caller: {
				principal: { id: principal, kind: 'user', groups: [], claims: {} },
				agent: { id: 'billing-bot' },
				session: { id: 's1', era: 'legacy' },
			},
			name: 'create_refund',
			arguments: {},
			argumentsBytes: 2,
			message: {},
			downstream: { notify: () => undefined, cancelled: fields.cancelled ?? new AbortController().signal },
		},
	};
}

/** Notifies the test of approvals that open, so that it never has to wait for a while. */
class Announced implements Notifier {
	readonly name = 'test';
	readonly ends: ApprovalView[] = [];
	readonly #waiting: ((approval: ApprovalView) => void)[] = [];
	readonly #opened: ApprovalView[] = [];
	async requested(approval: ApprovalView): Promise<string> {
		const next = this.#waiting.shift();
		if (next === undefined) this.#opened.push(approval);
		else next(approval);
		return `message ${approval.id}`;
	}
	async ended(approval: ApprovalView, reference: string): Promise<void> {
		if (reference !== `message ${approval.id}`) throw new Error(reference);
		this.ends.push(approval);
	}
	next(): Promise<ApprovalView> {
		const opened = this.#opened.shift();
		return opened === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(opened);
	}
}

interface Replica {
	readonly sql: Sql;
	readonly stream: string;
	readonly approvals: Approvals;
	readonly announced: Announced;
}

async function aReplica(t: Test, database: FreshDatabase, options: Partial<ApprovalsOptions> = {}): Promise<Replica> {
	const process = await aProcess(database);
	await process.sql.query('INSERT INTO streams (id) VALUES ($1)', [process.stream]);
	const announced = new Announced();
	const approvals = await createApprovals({
		...process,
		keys,
		notifiers: [announced],
		holdMs: 30_000,
		maxOpen: 20,
		urlOf: (id) => `http://inbox/${id}`,
		onFault: (error) => t.fail(String(error)),
		sweepEveryMs: 3_600_000,
		...options,
	});
	t.teardown(() => approvals.close());
	return { ...process, approvals, announced };
}

const approve = (id: string, approver: DecideRequest['approver'] = bob): DecideRequest => ({
	id,
	approver,
	decision: 'approve',
	via: 'inbox',
});

t.test('a held call goes on when another replica approves, runs once, and an identical call gets its result', (t) =>
	eachStore(t, async (t, database) => {
		const here = await aReplica(t, database);
		const there = await aReplica(t, database);
		const admission = await anAdmission(t, here);
		const wish = aWish();
		const held = here.approvals.hold(wish);
		const { id } = await here.announced.next();
		const beside = here.approvals.hold(aWish());
		t.match(await there.approvals.list({ isOpen: true }), [
			{
				id,
				state: 'pending',
				server: 'stripe',
				tool: 'create_refund',
				arguments: { charge: 'ch_1', note: 'a\0b' },
				recordOnly: ['/card'],
				principal: 'alice@example.com',
			},
		]);
		const decided = await there.approvals.decide({ ...approve(id), reason: 'fine' });
		t.equal(decided.state, 'approved');
		const end = await held;
		t.match(end, {
			kind: 'approved',
			approvalId: id,
			releases: [
				{
					rule: 'payments.refund',
					requirement: { approvers: ['group:finance'], quorum: 1 },
					argumentsDigest: 'arguments',
					approvers: ['bob@example.com'],
				},
			],
		});

		const request = {
			event: anEvent({ callId: wish.call.id, approvalId: id }),
			charges: [],
			claim: { approvalId: id, sentDigest: 'sent', definitionDigest: 'definition' },
		};
		t.match(await admission.admit(request), { kind: 'granted' });
		await admission.settle(aSettlement(request, 'sent', { answer: { result: { refund: 're_1' } } }));
		const besides = await beside;
		t.match(
			// Who looked between the vote and the claim finds it taken, and waits again, as the path of a call does.
			besides.kind === 'approved' ? await here.approvals.hold(aWish()) : besides,
			{ kind: 'replayed', approvalId: id, answer: { result: { refund: 're_1' } } },
			'who waited beside it gets the same result',
		);
		t.match(await there.approvals.hold(aWish()), { kind: 'replayed', answer: { result: { refund: 're_1' } } });
		const ends = () => [...here.announced.ends, ...there.announced.ends];
		t.match(await until('the end to be told', () => ends().length > 0 && ends()), [{ id }], 'by one of them');

		const chain = await readChain(t, here.sql);
		t.same(
			chain
				.filter(({ event }) => event.callId === wish.call.id)
				.map(({ event }) => event.kind)
				.sort(),
			['approval', 'decision', 'intent', 'outcome'],
		);
		t.match(chain.find(({ event }) => event.kind === 'approval')!.event, {
			outcome: 'approved',
			approvalId: id,
			message: 'fine',
			detail: { by: 'bob@example.com', via: 'inbox' },
		});
		t.same(traceOf(await createTrail(here.sql).call(wish.call.id)).words, ['approvalRequired', 'approved', 'ok']);
		await here.sql.query(`UPDATE approvals SET replay_until = clock_timestamp()`, []);
		await here.approvals.sweep();
		t.same(
			await here.sql.query('SELECT sealed FROM approvals', []),
			[{ sealed: null }],
			'a result is not kept for longer than it is replayed',
		);
		const anew = here.approvals.hold(aWish());
		t.not((await here.announced.next()).id, id, 'later an identical call is a new one');
		await here.approvals.withdraw((await here.approvals.list({ isOpen: true }))[0]!.id, 'bob@example.com', 'not today');
		t.match(await anew, { kind: 'withdrawn', by: 'bob@example.com', reason: 'not today' });
	}),
);

t.test('who may decide: not the requester, not a stranger, each person once, until every quorum is met; every attempt is recorded', (t) =>
	eachStore(t, async (t, database) => {
		const { sql, approvals, announced } = await aReplica(t, database);
		const requirements = [
			{ rule: 'payments.refund', approvers: ['group:finance'], quorum: 2, ttlSeconds: 60 },
			{ rule: 'legal.refund', approvers: ['dora@example.com'], quorum: 1, ttlSeconds: 90 },
		];
		const held = approvals.hold(aWish({ requirements }));
		const { id, expiresAtMs, requestedAtMs } = await announced.next();
		t.ok(Math.abs(expiresAtMs - requestedAtMs - 60_000) < 1_000, 'the shortest time counts');
		const refused = async (request: DecideRequest, code: string, message: RegExp) =>
			t.rejects(approvals.decide(request), { code, message });
		await refused(approve(id, { id: 'ALICE@example.com', groups: ['finance'] }), 'FORBIDDEN_APPROVER', /own/);
		await refused(approve(id, { id: 'mallory@example.com', groups: ['support'] }), 'FORBIDDEN_APPROVER', /not among/);
		await refused(approve('nonesuch'), 'NOT_FOUND', /no approval nonesuch/);
		t.equal((await approvals.decide(approve(id, bob))).state, 'pending');
		await refused(approve(id, { ...bob, id: 'Bob@example.com' }), 'CONFLICT', /already/);
		t.equal((await approvals.decide(approve(id, { id: 'dora@example.com', groups: [] }))).state, 'pending', 'finance needs two');
		t.equal((await approvals.decide(approve(id, carol))).state, 'approved');
		await refused(approve(id, bob), 'CONFLICT', /approved already/);
		t.match(await held, {
			kind: 'approved',
			releases: [
				{ rule: 'legal.refund', approvers: ['dora@example.com'] },
				{ rule: 'payments.refund', approvers: ['bob@example.com', 'carol@example.com'] },
			],
		});
		const attempts = (await readChain(t, sql)).filter(({ event }) => event.kind === 'approval');
		t.equal(attempts.length, 8);
		t.equal(attempts.filter(({ event }) => event.detail?.['refused'] !== undefined).length, 5);
		t.same(
			attempts.filter(({ event }) => event.outcome !== undefined).map(({ event }) => event.outcome),
			['approved'],
		);

		const other = approvals.hold(aWish({ requirements, argumentsDigest: 'others' }));
		const second = await announced.next();
		await approvals.decide(approve(second.id));
		await approvals.decide({ ...approve(second.id, carol), decision: 'reject', reason: 'too much' });
		t.match(await other, { kind: 'rejected', by: 'carol@example.com', reason: 'too much' }, 'one rejection ends it');
	}),
);

t.test('two people at the same moment: one decision; decide and expire never both', (t) =>
	eachStore(t, async (t, database) => {
		const replicas = [await aReplica(t, database), await aReplica(t, database)];
		const [one] = replicas as [Replica];
		for (let round = 0; round < 10; round++) {
			const held = one.approvals.hold(aWish({ argumentsDigest: `a${round}` }));
			const { id } = await one.announced.next();
			const answers = await Promise.allSettled(
				replicas.map(({ approvals }, n) =>
					approvals.decide({ id, approver: n === 0 ? bob : carol, decision: n === 0 ? 'approve' : 'reject', via: 'inbox' }),
				),
			);
			t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1);
			t.equal((await held).kind, answers[0]!.status === 'fulfilled' ? 'approved' : 'rejected');
		}
		const quorum = [{ rule: 'r', approvers: ['group:finance'], quorum: 2, ttlSeconds: 60 }];
		const both = await opened(one, aWish({ argumentsDigest: 'both', requirements: quorum }));
		await Promise.all(replicas.map(({ approvals }, n) => approvals.decide(approve(both.id, n === 0 ? bob : carol))));
		t.match(await one.approvals.get(both.id), { state: 'approved', votes: { length: 2 } }, 'two votes at once are two votes');
		for (let round = 0; round < 10; round++) {
			const { id } = await opened(one, aWish({ argumentsDigest: `b${round}` }));
			const [decided] = await Promise.allSettled([
				one.approvals.decide(approve(id)),
				one.sql.query('UPDATE approvals SET expires_at = clock_timestamp() WHERE id = $1', [id]).then(() => replicas[1]!.approvals.sweep()),
			]);
			await one.approvals.sweep();
			const words = (await readWords(one.sql, id)).toString();
			t.ok(
				decided.status === 'fulfilled' ? ['approved', 'approved,expired'].includes(words) : words === 'expired',
				`${decided.status}: ${words}`,
			);
		}
		await readChain(t, one.sql);
	}),
);

t.test('an approval that expires while it is claimed, in another process, is either used or expired', (t) =>
	eachStore(t, async (t, database) => {
		const replicas = [await aReplica(t, database), await aReplica(t, database)] as const;
		const [one, other] = replicas;
		const admission = await anAdmission(t, one);
		for (let round = 0; round < 10; round++) {
			const { id, callId } = await opened(one, aWish({ argumentsDigest: `c${round}` }));
			await one.approvals.decide(approve(id));
			const [{ kind }] = await Promise.all([
				admission.admit({
					event: anEvent({ callId, approvalId: id }),
					charges: [],
					claim: { approvalId: id, sentDigest: 'sent', definitionDigest: 'definition' },
				}),
				other.sql.query('UPDATE approvals SET expires_at = clock_timestamp() WHERE id = $1', [id]).then(() => other.approvals.sweep()),
			]);
			await one.approvals.sweep();
			const state = (await one.approvals.get(id))!.state;
			t.equal(state, kind === 'granted' ? 'dispatched' : 'expired', `round ${round}: ${kind}`);
			t.same(await readWords(one.sql, id), kind === 'granted' ? ['approved'] : ['approved', 'expired']);
		}
		await readChain(t, one.sql);
	}),
);

/** An approval that nobody waits for. */
async function opened({ approvals, announced }: Replica, wish: ApprovalWish): Promise<ApprovalView> {
	const gone = new AbortController();
	const held = approvals.hold({ ...wish, call: { ...wish.call, downstream: { ...wish.call.downstream, cancelled: gone.signal } } });
	const approval = await announced.next();
	gone.abort();
	await held;
	return approval;
}

async function readWords(sql: Sql, approvalId: string): Promise<string[]> {
	const rows = await sql.query<{ outcome: string }>(
		`SELECT outcome FROM events WHERE approval_id = $1 AND kind = 'approval' AND outcome IS NOT NULL ORDER BY time_ms, sequence`,
		[approvalId],
	);
	return rows.map(({ outcome }) => outcome);
}

t.test('a wait ends with its hold, with the call, or with the approval; the approval outlives the wait', (t) =>
	eachStore(t, async (t, database) => {
		const replica = await aReplica(t, database, { holdMs: 100 });
		const { approvals, sql } = replica;
		const pending = await approvals.hold(aWish());
		t.match(pending, { kind: 'pending', url: /^http:\/\/inbox\// });
		const { id } = await replica.announced.next();
		t.equal((await approvals.get(id))?.state, 'pending');
		await approvals.decide(approve(id));
		t.match(await approvals.hold(aWish()), { kind: 'approved', approvalId: id }, 'an identical call finds it');

		const long = await aReplica(t, database);
		const expiring = long.approvals.hold(aWish({ argumentsDigest: 'short', ttlSeconds: 0.05 }));
		t.match(await expiring, { kind: 'expired' }, 'where the approval ends sooner than the hold');
		t.same(await readWords(sql, (await long.announced.next()).id), ['expired']);

		const cancelled = new AbortController();
		const held = long.approvals.hold(aWish({ argumentsDigest: 'cancelled', cancelled: cancelled.signal }));
		const open = await long.announced.next();
		cancelled.abort();
		t.equal((await held).kind, 'pending');
		t.equal((await approvals.get(open.id))?.state, 'pending');

		await sql.query('UPDATE approvals SET expires_at = clock_timestamp() WHERE id = $1', [open.id]);
		await approvals.sweep();
		t.equal((await approvals.get(open.id))?.state, 'expired', 'nobody waits, the sweeper writes it');
		t.same(await readWords(sql, open.id), ['expired']);
	}),
);

t.test('what has changed since asks anew: requirements, definition, sent arguments', (t) =>
	eachStore(t, async (t, database) => {
		const replica = await aReplica(t, database);
		const { approvals, announced } = replica;
		let before = await opened(replica, aWish());
		await approvals.decide(approve(before.id));
		const changes: [WishFields, RegExp][] = [
			[{ definitionDigest: 'other' }, /definition/],
			[{ definitionDigest: 'other', sentDigest: 'other' }, /arguments/],
			[
				{
					definitionDigest: 'other',
					sentDigest: 'other',
					requirements: [{ rule: 'payments.refund', approvers: ['group:finance'], quorum: 2, ttlSeconds: 60 }],
				},
				/policy requires/,
			],
		];
		for (const [fields, why] of changes) {
			const after = await opened(replica, aWish(fields));
			t.not(after.id, before.id);
			t.match(await approvals.get(before.id), { state: 'expired', decided: { reason: why } });
			before = after;
		}
		const held = approvals.hold(aWish({ requirements: [{ rule: 'r', approvers: ['group:b', 'group:a'], quorum: 1, ttlSeconds: 60 }] }));
		await announced.next();
		const same = approvals.hold(aWish({ requirements: [{ rule: 'r', approvers: ['group:a', 'group:b'], quorum: 1, ttlSeconds: 30 }] }));
		const { id } = (await approvals.list({ isOpen: true }))[0]!;
		await until('both to wait', async () => {
			const asked = await replica.sql.query(`SELECT FROM events WHERE approval_id = $1 AND kind = 'decision'`, [id]);
			return asked.length === 2;
		});
		await approvals.decide({ id, approver: { id: 'x@example.com', groups: ['a'] }, decision: 'reject', via: 'inbox' });
		t.match(
			await Promise.all([held, same]),
			[
				{ kind: 'rejected', approvalId: id },
				{ kind: 'rejected', approvalId: id },
			],
			'approvers are a set, and the time is not compared',
		);
	}),
);

t.test('an agent that floods approvals is capped, identical calls share one', (t) =>
	eachStore(t, async (t, database) => {
		const replicas = [await aReplica(t, database, { maxOpen: 3, holdMs: 300 }), await aReplica(t, database, { maxOpen: 3, holdMs: 300 })];
		const ends = await Promise.all(
			Array.from({ length: 40 }, (_, n) => replicas[n % 2]!.approvals.hold(aWish({ argumentsDigest: `a${n % 20}` }))),
		);
		t.equal((await replicas[0]!.approvals.list({ isOpen: true })).length, 3);
		t.same(ends.map(({ kind }) => kind).sort(), [...Array(34).fill('capped'), ...Array(6).fill('pending')]);
		t.equal((await replicas[0]!.approvals.hold(aWish({ principal: 'other@example.com' }))).kind, 'pending', 'others are not held back');
	}),
);

t.test('an unknown outcome is answered as such, until a person says what became of it', (t) =>
	eachStore(t, async (t, database) => {
		const replica = await aReplica(t, database);
		const { approvals, sql } = replica;
		const admission = await anAdmission(t, replica);
		for (const hasRun of [false, true]) {
			const { id } = await opened(replica, aWish({ argumentsDigest: `${hasRun}` }));
			await approvals.decide(approve(id));
			const charge = { key: 'cents', rule: 'r', unit: 'cents', limit: 100, cost: 30, windowEndMs: Date.now() + 60_000, isAttempt: false };
			const request = {
				event: anEvent({ approvalId: id }),
				charges: [charge],
				claim: { approvalId: id, sentDigest: 'sent', definitionDigest: 'definition' },
			};
			t.match(await admission.admit(request), { kind: 'granted' });
			const beside = approvals.hold(aWish({ argumentsDigest: `${hasRun}` }));
			await admission.settle(aSettlement(request, 'unknown'));
			t.match(await beside, { kind: 'outcome_unknown', approvalId: id });
			t.match(await approvals.hold(aWish({ argumentsDigest: `${hasRun}` })), { kind: 'outcome_unknown', approvalId: id });
			const answers = await Promise.allSettled([
				approvals.resolve(id, 'carol@example.com', hasRun),
				approvals.resolve(id, 'carol@example.com', hasRun),
			]);
			t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1);
			t.equal((await approvals.get(id))?.state, 'done');
			const [budget] = await sql.query<{ spent: number }>('SELECT spent FROM budgets', []);
			t.equal(budget!.spent, hasRun ? 30 : 0, 'what did not run is given back, once');
			const anew = await opened(replica, aWish({ argumentsDigest: `${hasRun}` }));
			t.not(anew.id, id);
		}
	}),
);

t.test('what happens between two looks at an approval is not missed', async (t) => {
	const wakeUps = new WakeUps();
	const watch = wakeUps.watch('a');
	const never = new AbortController().signal;
	const entry = { revision: 1 } as ApprovalEntry;
	wakeUps.wake('a', entry);
	wakeUps.wake('b', { revision: 2 } as ApprovalEntry);
	t.equal(await watch.next(60_000, never), entry);
	const next = watch.next(60_000, never);
	wakeUps.wakeAll();
	t.equal(await next, undefined, 'something was missed: look yourself');
	t.equal(await watch.next(1, never), undefined);
	t.equal(await watch.next(60_000, AbortSignal.abort()), undefined);
	watch.close();
	t.equal(wakeUps.isAwaited('a'), false);
});

t.test('the end of an approval is told once, wherever it was decided, also when the process that asked is gone', (t) =>
	eachStore(t, async (t, database) => {
		const first = await aReplica(t, database);
		const held = first.approvals.hold(aWish());
		const { id } = await first.announced.next();
		await until('the notice to be kept', async () => (await first.sql.query('SELECT FROM approval_notices')).length === 1);
		first.approvals.letGo();
		t.equal((await held).kind, 'pending');
		await first.approvals.close();

		const faults: string[] = [];
		let tries = 0;
		const failing: Notifier = {
			name: 'test',
			requested: async () => 'never asked',
			ended: async () => Promise.reject(new Error(`down ${++tries}`)),
		};
		const silent = await aReplica(t, database, { notifiers: [] });
		await silent.approvals.decide({ ...approve(id), decision: 'reject' });
		const failed = await aReplica(t, database, {
			notifiers: [failing],
			retryNotifiersAfterMs: [1, 60_000],
			onFault: (error) => faults.push(String(error)),
		});
		await until('two tries', async () => (await failed.approvals.sweep(), tries === 2));
		await failed.approvals.close();
		t.same(faults, [], 'there are more to come');

		await silent.sql.query(`UPDATE approval_notices SET try_at = clock_timestamp()`);
		const replicas = [await aReplica(t, database), await aReplica(t, database)];
		const ends = () => replicas.flatMap(({ announced }) => announced.ends);
		await until(
			'the end to be told',
			async () => (await Promise.all(replicas.map(({ approvals }) => approvals.sweep())), ends().length > 0),
		);
		await until('the notice to be gone', async () => (await silent.sql.query('SELECT FROM approval_notices')).length === 0);
		t.match(ends(), [{ id, state: 'rejected' }]);
		t.equal(ends().length, 1, 'by one of them');
	}),
);

t.test('a notifier that fails is tried again a few times, told of once, and decides nothing', (t) =>
	eachStore(t, async (t, database) => {
		const faults: string[] = [];
		let tries = 0;
		let given: (() => void) | undefined;
		const gaveUp = new Promise<void>((resolve) => (given = resolve));
		const failing: Notifier = { name: 'lark', requested: () => Promise.reject(new Error(`down ${++tries}`)), ended: async () => undefined };
		const announced = new Announced();
		const { approvals } = await aReplica(t, database, {
			notifiers: [failing, announced],
			retryNotifiersAfterMs: [1, 1],
			onFault: (error) => {
				faults.push(String(error));
				given?.();
			},
		});
		const held = approvals.hold(aWish());
		const { id } = await announced.next();
		await gaveUp;
		t.equal(tries, 3);
		t.match(faults, [/lark failed: down 3/]);
		await approvals.decide(approve(id));
		t.equal((await held).kind, 'approved');
	}),
);
