import t from 'tap';
import { UsageError } from './deployment.ts';
import { misses, type Seen } from './expect.ts';
import { jsonReport, junitReport } from './reports.ts';
import type { RunResult, Verdict } from './run-suites.ts';
import type { EvalCase } from './suite.ts';
import { traceLine, tracesOf, type TrailEvent } from './trace.ts';

const refund: TrailEvent[] = [
	{ kind: 'decision', callId: 'c1', tool: 'create_refund', decision: 'approvalRequired', input: { arguments: { charge: 'ch_1' } } },
	{ kind: 'approval', callId: 'c1', outcome: 'approved' },
	{ kind: 'intent', callId: 'c1', tool: 'create_refund', decision: 'allow', admission: 'granted', approvalId: 'apr_1' },
	{ kind: 'outcome', callId: 'c1', outcome: 'ok' },
];

t.test('a trace shows the first decision and then what followed', (t) => {
	const call = (id: string, admission: string, outcome?: string): TrailEvent[] => [
		{ kind: 'intent', callId: id, tool: 'list_recent_charges', decision: 'allow', admission },
		...(outcome === undefined ? [] : [{ kind: 'outcome', callId: id, outcome }]),
	];
	t.strictSame(tracesOf(refund)[0]?.words, ['approvalRequired', 'approved', 'ok']);
	t.equal(traceLine(tracesOf(call('a', 'granted', 'ok'))), 'list_recent_charges → allow');
	t.equal(traceLine(tracesOf(call('a', 'granted', 'upstream_error'))), 'list_recent_charges → allow → upstream_error');
	t.equal(
		traceLine(
			tracesOf(
				['a', 'b', 'c', 'd', 'e', 'f'].flatMap((id) => call(id, id === 'f' ? 'budgetExceeded' : 'granted', id === 'f' ? undefined : 'ok')),
			),
		),
		'5 × allow, budgetExceeded',
	);
	t.equal(tracesOf(call('a', 'granted'))[0]?.isOver, false);
	t.equal(tracesOf(call('a', 'budgetExceeded'))[0]?.isOver, true);
	t.equal(traceLine([]), 'no calls');
	const [asked, approved, intent] = refund as [TrailEvent, TrailEvent, TrailEvent];
	const refusal = (outcome: string): TrailEvent => ({ kind: 'refusal', callId: 'c1', decision: 'approvalRequired', outcome });
	t.equal(
		traceLine(tracesOf([asked, refusal('approval_pending'), approved])),
		'create_refund → approvalRequired → approval_pending',
		'a hold that ended: what becomes of the approval then is the story of a later call',
	);
	const unclaimed = { ...intent, admission: 'unclaimable' };
	t.equal(
		traceLine(tracesOf([asked, approved, unclaimed, asked, refusal('replayed')])),
		'create_refund → approvalRequired → approved → replayed',
	);
	t.equal(traceLine(tracesOf([asked, approved, unclaimed])), 'create_refund → approvalRequired → approved → approvalRequired');
	t.end();
});

const seen: Seen = {
	calls: tracesOf(refund),
	events: refund,
	ledger: { refunds: 1, refundedCents: 4200, deletedCustomers: 0 },
	messages: ['alice has the number ***'],
	results: ['{"refund":"re_1"}'],
	said: 'Refunded 42.00 USD',
};

t.test('every kind of expectation holds where it should, and is missed where it should', (t) => {
	const rows: [holds: Partial<EvalCase>, missed: Partial<EvalCase>, what: string][] = [
		[{ ledger: { refunds: 1 } }, { ledger: { refunds: 0 } }, 'ledger.refunds'],
		[{ ledger: { refundedCents: 4200 } }, { ledger: { refundedCents: 100 } }, 'ledger.refundedCents'],
		[{ ledger: { deletedCustomers: 0 } }, { ledger: { deletedCustomers: 1 } }, 'ledger.deletedCustomers'],
		[{ messages: { mustContain: ['the number'] } }, { messages: { mustContain: ['123'] } }, 'messages.mustContain'],
		[{ messages: { mustNotContain: ['123'] } }, { messages: { mustNotContain: ['***'] } }, 'messages.mustNotContain'],
		[{ results: { mustContain: ['re_1'] } }, { results: { mustContain: ['re_2'] } }, 'results.mustContain'],
		[{ results: { mustNotContain: ['re_2'] } }, { results: { mustNotContain: ['re_1'] } }, 'results.mustNotContain'],
		[
			{ trace: [{ tool: 'create_refund', decision: 'approvalRequired', then: 'ok' }] },
			{ trace: [{ tool: 'create_refund', decision: 'approvalRequired', then: 'expired' }] },
			'trace',
		],
		[
			{ trace: [{ tool: 'create_refund', decision: 'approvalRequired' }] },
			{ trace: [{ tool: 'create_refund', decision: 'approvalRequired', times: 2 }] },
			'trace',
		],
		[{ mustInclude: ['create_refund'] }, { mustInclude: ['get_charge'] }, 'mustInclude'],
		[{ mustNotInclude: ['get_charge'] }, { mustNotInclude: ['create_refund'] }, 'mustNotInclude'],
		[{ policyOutcome: 'ok' }, { policyOutcome: 'deny' }, 'policyOutcome'],
		[{ mustNotContainInArgs: ['ch_2'] }, { mustNotContainInArgs: ['ch_1'] }, 'mustNotContainInArgs'],
		[{ mustSay: ['refunded'] }, { mustSay: ['sorry'] }, 'mustSay'],
	];
	const base = { name: 'one', input: 'x', principal: 'a@example.com' };
	for (const [holds, missed, what] of rows) {
		t.strictSame(misses({ ...base, ...holds }, seen), [], `${JSON.stringify(holds)} holds`);
		t.strictSame(
			misses({ ...base, ...missed }, seen).map((one) => one.what),
			[what],
			`${JSON.stringify(missed)} is missed`,
		);
	}
	t.strictSame(misses({ ...base, policyOutcome: 'deny' }, seen), [{ what: 'policyOutcome', expected: 'deny', seen: 'ok' }]);
	t.end();
});

t.test('reports say what was missed, and known failures are no failures', (t) => {
	const result = (name: string, verdict: Verdict, more: Partial<RunResult> = {}): RunResult => ({
		run: {
			suite: { file: 'evalsuite/a.yaml', cases: [], at: (pointer) => new UsageError(pointer) },
			case: { name, input: 'x', principal: 'a@example.com' },
			round: 1,
		},
		verdict,
		calls: seen.calls,
		misses: [],
		said: seen.said,
		tookMs: 1500,
		...more,
	});
	const results = [
		result('fine', 'held'),
		result('off <by> "one" & more', 'missed', { misses: [{ what: 'trace', expected: 'a\u0007', seen: '<b>' }] }),
		result('later', 'known', { because: 'not built yet', misses: [{ what: 'mustSay', expected: 'a', seen: 'b' }] }),
		result('done', 'stale', { because: 'it was slow' }),
	];
	const report = { startedAt: '2026-11-24T12:00:00.000Z', tookMs: 6000, stack: 'a stack of its own', results };
	const xml = junitReport(report);
	t.match(xml, '<testsuites name="evals" tests="4" failures="2" skipped="1" errors="0" time="6.000">');
	t.match(xml, '<testcase classname="evalsuite/a.yaml" name="fine" time="1.500"/>');
	t.match(xml, 'name="off &#60;by&#62; &#34;one&#34; &#38; more"');
	t.match(xml, 'expected a\ufffd&#10;  seen     &#60;b&#62;');
	t.match(xml, '<skipped message="known to fail: not built yet"/>');
	t.match(xml, '<failure message="known to fail (it was slow), and did not: delete its entry" type="stale"/>');
	t.match(JSON.parse(jsonReport(report)), {
		total: 4,
		missed: 2,
		cases: [
			{ verdict: 'held', trace: [{ tool: 'create_refund', words: ['approvalRequired', 'approved', 'ok'] }] },
			{ verdict: 'missed', misses: [{ what: 'trace' }] },
			{ because: 'not built yet' },
			{},
		],
	});
	t.end();
});
