import fc from 'fast-check';
import t from 'tap';
import { changedPaths } from './changed-paths.ts';
import type { BudgetDemand, DecisionDocument, JsonObject, JsonValue, TrailEvent } from './domain.ts';
import { PolicyError } from './errors.ts';
import { valueAt } from './json-pointer.ts';
import { anEvent } from './ledger-fixture.ts';
import { recheck } from './recheck.ts';

const revision = 'sha256:r1';
const document = (fields: Partial<DecisionDocument> = {}): DecisionDocument => ({
	version: 1,
	verdict: 'allow',
	reasons: [],
	approvals: [],
	budgets: [],
	redactions: [],
	limits: {},
	...fields,
});
const deciding = (call: (input: JsonObject) => DecisionDocument) => ({ revision, call });
const reason = { rule: 'payments.refund', message: 'm' };
const input = { arguments: { amount: 5, text: 'hello' }, principal: { id: 'alice@example.com' } };
const event = (fields: Partial<TrailEvent>): TrailEvent => anEvent({ revision, input, ...fields });

t.test('a decision is the same when verdict, leading rule and reservations are', async (t) => {
	const budget: BudgetDemand = { rule: 'payments.daily', by: ['principal'], per: 'day', unit: 'cents', limit: 100, cost: 5 };
	const reserved = {
		kind: 'intent' as const,
		detail: { reservations: [{ key: 'k', rule: 'payments.daily', unit: 'cents', limit: 80, cost: 12 }] },
	};
	const cases: [Partial<TrailEvent>, DecisionDocument, string][] = [
		[{ kind: 'intent' }, document(), 'same'],
		[{ kind: 'intent' }, document({ verdict: 'deny', reasons: [reason] }), 'differs'],
		[reserved, document({ verdict: 'budget', budgets: [budget, { ...budget, cost: 7, limit: 80 }] }), 'same'],
		[reserved, document({ verdict: 'budget', budgets: [budget] }), 'differs'],
		[reserved, document(), 'differs'],
		[
			{ kind: 'decision', decision: 'approvalRequired', rule: reason.rule },
			document({ verdict: 'approvalRequired', reasons: [reason] }),
			'same',
		],
		[
			{ kind: 'decision', decision: 'approvalRequired', rule: 'other.rule' },
			document({ verdict: 'approvalRequired', reasons: [reason] }),
			'differs',
		],
		[{ kind: 'refusal', decision: 'deny', rule: reason.rule }, document({ verdict: 'deny', reasons: [reason] }), 'same'],
	];
	for (const [fields, answer, kind] of cases)
		t.equal(
			recheck(
				[event(fields)],
				deciding(() => answer),
			)!.kind,
			kind,
			JSON.stringify([fields.kind, answer.verdict]),
		);
	const failing = deciding(() => {
		throw new PolicyError('out of fuel');
	});
	t.match(recheck([event({ kind: 'intent' })], failing), { kind: 'differs', now: 'out of fuel' });
});

t.test('what can not be decided again says why: another bundle, no decision, no arguments', async (t) => {
	const allow = deciding(() => document());
	t.match(recheck([event({ kind: 'intent', revision: 'sha256:r0' })], allow), {
		kind: 'other bundle',
		revision: 'sha256:r0',
		atHand: revision,
	});
	t.match(recheck([event({ kind: 'intent' })], undefined), { kind: 'other bundle', revision });
	t.equal(recheck([], allow), undefined);
	t.equal(recheck([event({ kind: 'outcome' })], allow), undefined);
	const undecided = { kind: 'refusal' as const, outcome: 'policy_error' as const, decision: undefined as never };
	t.match(recheck([event({ ...undecided, input: { argumentsDigest: 'd', argumentsBytes: 3 } })], allow), {
		kind: 'not reproducible',
		paths: ['/arguments'],
	});
	t.match(recheck([event(undecided)], allow), { kind: 'not reproducible', why: /before its verdict/ });
});

t.test('a redacted part matters only to a rule that reads it, and is named then', async (t) => {
	const redacted = event({
		kind: 'intent',
		input: { arguments: { amount: 5, text: '[value masked]' }, principal: { id: 'hmac-sha256:01234567:ab' } },
		detail: { redacted: ['/text'], concealed: ['/input/principal/id', '/message'] },
	});
	const reading = (path: string) =>
		deciding((asked) => (valueAt(asked, path) === '[value masked]' ? document() : document({ verdict: 'deny', reasons: [reason] })));
	t.equal(
		recheck(
			[redacted],
			deciding(() => document()),
		)!.kind,
		'same',
	);
	t.match(recheck([redacted], reading('/arguments/text')), { kind: 'not reproducible', paths: ['/arguments/text'] });
	const reached = deciding((asked) => document({ verdict: valueAt(asked, '/principal/id') === undefined ? 'deny' : 'allow' }));
	t.match(recheck([redacted], reached), { kind: 'not reproducible', paths: ['/principal/id'] });
});

t.test('changed paths name what changed, and never a name that was changed itself', async (t) => {
	t.same(changedPaths({ a: 1, b: { c: [1, 'x', 3] }, 'd/~': 1, e: 5 }, { a: 1, b: { c: [1, 'y', 3] }, 'd/~': 2 }), [
		'/b/c/1',
		'/d~1~0',
		'/e',
	]);
	t.same(changedPaths({ a: { sk_live_secret: 1, b: 2 } }, { a: { 'hmac-sha256': 1, b: 3 } }), ['/a']);
	t.same(changedPaths({ a: [1, 2] }, { a: [1] }), ['/a']);
	fc.assert(fc.property(fc.jsonValue(), (value) => changedPaths(value as JsonValue, structuredClone(value) as JsonValue).length === 0));
});
