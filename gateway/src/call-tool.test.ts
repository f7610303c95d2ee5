import t from 'tap';
import type { Admission, AdmissionRequest, Admitted, Settlement } from './admission.ts';
import type { HoldEnd } from './approvals/approval.ts';
import { callTool, type CallToolDeps } from './call-tool.ts';
import type { DecisionDocument, JsonObject, Tool, ToolCall, TrailEvent } from './domain.ts';
import { PolicyError } from './errors.ts';
import { StoreUnavailable } from './store/sql.ts';

const allow: DecisionDocument = { version: 1, verdict: 'allow', reasons: [], approvals: [], budgets: [], redactions: [], limits: {} };
const deny: DecisionDocument = { ...allow, verdict: 'deny', reasons: [{ rule: 'team.no', message: 'not here' }] };
const ask: DecisionDocument = {
	...allow,
	verdict: 'approvalRequired',
	reasons: [{ rule: 'team.ask', message: 'a person must agree' }],
	approvals: [{ rule: 'team.ask', approvers: ['group:finance'], quorum: 1, ttlSeconds: 60 }],
};
const approved: HoldEnd = { kind: 'approved', approvalId: 'a1', releases: [] };

interface Script {
	/** One answer per `call` decision. */
	decisions?: DecisionDocument[];
	hasAccess?: boolean;
	tool?: Partial<Tool> | null;
	sent?: JsonObject;
	/** The last one again and again. */
	admitted?: Admitted | Admitted[];
	ends?: HoldEnd[];
	answer?: Awaited<ReturnType<CallToolDeps['upstreams']['call']>>;
	result?: DecisionDocument;
	args?: JsonObject;
	throwIn?: 'judge' | 'admit' | 'settle' | 'refuse' | 'upstream' | 'result';
}

/** A gateway of fakes that writes down the order in which its parts are used. */
function harness(script: Script) {
	const steps: string[] = [];
	const events: TrailEvent[] = [];
	const settlements: Settlement[] = [];
	const admissions: AdmissionRequest[] = [];
	const forwarded: JsonObject[] = [];
	const faults: unknown[] = [];
	const decisions = [...(script.decisions ?? [allow])];
	const ends = [...(script.ends ?? [])];
	const tool: Tool | undefined =
		script.tool === null
			? undefined
			: {
					upstream: 'stripe',
					name: 'create_refund',
					listedName: 'create_refund',
					definition: {},
					digest: 'sha256:d',
					pinned: true,
					validate: (args) => (steps.push('validate'), 'bad' in args ? { pointer: '/bad', message: 'must not be there' } : undefined),
					...script.tool,
				};
	const admission: Admission = {
		async admit(request) {
			steps.push('admit');
			if (script.throwIn === 'admit') throw new StoreUnavailable('away');
			admissions.push(request);
			events.push(request.event);
			return [script.admitted ?? { kind: 'granted' as const }].flat()[Math.min(admissions.length, [script.admitted].flat().length) - 1]!;
		},
		async settle(settlement) {
			steps.push('settle');
			if (script.throwIn === 'settle') throw new StoreUnavailable('away');
			settlements.push(settlement);
			events.push(settlement.event);
		},
		async refuse(event) {
			steps.push('refuse');
			if (script.throwIn === 'refuse') throw new StoreUnavailable('away');
			events.push(event);
		},
	};
	const deps: CallToolDeps = {
		capabilities: { find: () => (steps.push('find'), tool) },
		policy: {
			judge: () => {
				if (script.throwIn === 'judge') throw new PolicyError('there is no valid policy bundle');
				return {
					revision: 'r1',
					patterns: {},
					mayJudgeResults: false,
					list: () => (steps.push('list'), script.hasAccess ?? true),
					lister: () => t.fail('a call decides no list') as never,
					call: () => (steps.push('call'), decisions.shift() ?? allow),
					result: () => {
						steps.push('result');
						if (script.throwIn === 'result') throw new PolicyError('out of fuel');
						return script.result ?? allow;
					},
				};
			},
		},
		input: { list: () => ({}), call: (call) => ({ arguments: call.arguments }) },
		obligations: {
			accept: (document, args) => {
				steps.push('accept');
				if (document.redactions.length > 0) throw new PolicyError('a redaction names the pattern x, which does not exist');
				return { sent: script.sent ?? args, recorded: { masked: true } };
			},
			redactResult: (_documents, result) => result,
		},
		approvals: {
			hold: async (wish) => {
				steps.push('hold');
				events.push(wish.event);
				return ends.shift() ?? approved;
			},
		},
		budgets: { charges: (demands) => (steps.push(`charges ${demands.length}`), []) },
		admission,
		upstreams: {
			call: async ({ message }) => {
				steps.push('forward');
				forwarded.push(message);
				if (script.throwIn === 'upstream') throw new Error('a bug');
				return script.answer ?? { kind: 'answered', message: { jsonrpc: '2.0', id: 1, result: { content: [] } }, bytes: 20 };
			},
		},
		keyedDigest: (value) => `hmac:${JSON.stringify(value).length}`,
		limits: { argumentsBytes: 1000, resultBytes: 1000 },
		nowMs: () => 1_000,
		onFault: (error) => faults.push(error),
	};
	const args = script.args ?? { amount: 5 };
	const call: ToolCall = {
		id: 'c1',
		caller: {
			principal: { id: 'alice', kind: 'user', groups: [], claims: {} },
			agent: { id: 'bot' },
			session: { id: 's1', era: 'legacy' },
		},
		name: 'create_refund',
		arguments: args,
		argumentsBytes: JSON.stringify(args).length,
		message: {
			jsonrpc: '2.0',
			id: 7,
			method: 'tools/call',
			params: { name: 'create_refund', arguments: args, _meta: { trace: 'x' }, unknown: 1 },
		},
		downstream: { notify: () => undefined, cancelled: new AbortController().signal },
	};
	return { run: () => callTool(call, deps), steps, events, settlements, admissions, forwarded, faults };
}

const words = (events: TrailEvent[]) => events.map(({ kind, decision, outcome }) => [kind, decision, outcome].filter(Boolean).join(' '));

t.test('an allowed call: resolve, validate, decide, accept, admit, forward, result rules, settle', async (t) => {
	const h = harness({});
	const outcome = await h.run();
	t.match(outcome, { kind: 'answered', word: 'ok' });
	t.same(h.steps, ['find', 'list', 'validate', 'call', 'accept', 'charges 0', 'admit', 'forward', 'result', 'settle']);
	t.same(words(h.events), ['intent allow', 'outcome ok']);
	t.equal(h.settlements[0]?.fate, 'sent');
	t.same((h.events[0]!.input as { arguments?: unknown }).arguments, { masked: true }, 'the trail has the recorded form');
	t.match(h.forwarded[0], { params: { _meta: { trace: 'x' }, unknown: 1 } }, 'what nobody judged passes untouched');
});

t.test('what goes upstream is the sent form', async (t) => {
	const h = harness({ sent: { amount: 1 } });
	await h.run();
	t.match(h.forwarded[0], { params: { arguments: { amount: 1 } } });
});

t.test('without access a tool answers exactly as an unknown one, before anything looks at the arguments', async (t) => {
	const hidden = harness({ hasAccess: false, args: { bad: 1 } });
	const unknown = harness({ tool: null, args: { bad: 1 } });
	t.same(await hidden.run(), await unknown.run());
	t.notOk(hidden.steps.includes('validate'));
	t.same(words(hidden.events), ['refusal unknown_tool']);
	t.notMatch(JSON.stringify(hidden.events), 'bad', 'undecided arguments are not recorded');
});

t.test('quarantine is told only to those who have access, and before the arguments are looked at', async (t) => {
	const h = harness({ tool: { quarantine: 'its description changed' }, args: { bad: 1 } });
	t.match(await h.run(), { word: 'quarantined', text: /its description changed/ });
	t.notOk(h.steps.includes('validate'));
	t.match(await harness({ tool: { quarantine: 'x' }, hasAccess: false }).run(), { word: 'unknown_tool' });
});

t.test('arguments that do not fit, or are too large, never reach the policy', async (t) => {
	const h = harness({ args: { bad: 1 } });
	t.match(await h.run(), { word: 'invalid_arguments', text: /\/bad: must not be there/ });
	const large = harness({ args: { text: 'x'.repeat(1000) } });
	t.match(await large.run(), { word: 'invalid_arguments', text: /at most 1000/ });
	for (const one of [h, large]) {
		t.notOk(one.steps.includes('call'));
		t.same(one.events[0]?.input, {
			argumentsDigest: one.events[0]?.input?.['argumentsDigest'],
			argumentsBytes: one.events[0]?.input?.['argumentsBytes'],
		});
	}
});

t.test('a denied call never reaches the upstream, and is recorded before it is answered', async (t) => {
	const h = harness({ decisions: [deny] });
	t.match(await h.run(), { word: 'deny', rule: 'team.no', text: /not here/ });
	t.same(h.steps.slice(-2), ['accept', 'refuse']);
	t.match(h.events[0], { kind: 'refusal', decision: 'deny', rule: 'team.no', revision: 'r1' });
});

t.test('an obligation that can not be fulfilled denies before any side effect', async (t) => {
	const h = harness({ decisions: [{ ...allow, redactions: [{ target: 'request', path: '/x', match: 'x', mode: 'mask' }] }] });
	t.match(await h.run(), { word: 'policy_error', text: /pattern x/ });
	t.notOk(h.steps.includes('admit'));
});

t.test('a policy that throws denies', async (t) => {
	const h = harness({ throwIn: 'judge' });
	t.match(await h.run(), { word: 'policy_error', text: /no valid policy bundle/ });
	t.same(words(h.events), ['refusal policy_error']);
});

t.test('the wait comes before the budget, and everything before it runs again when it ends', async (t) => {
	const h = harness({ decisions: [ask, allow] });
	t.match(await h.run(), { word: 'ok' });
	t.same(h.steps, [
		'find',
		'list',
		'validate',
		'call',
		'accept',
		'hold',
		'find',
		'list',
		'validate',
		'call',
		'accept',
		'charges 0',
		'admit',
		'forward',
		'result',
		'settle',
	]);
	t.match(h.admissions[0]?.claim, { approvalId: 'a1', definitionDigest: 'sha256:d' });
	t.same(words(h.events), ['decision approvalRequired', 'intent allow', 'outcome ok']);
	t.notSame(h.events[0]?.decisionId, h.events[1]?.decisionId, 'a decision of its own');
	t.ok(h.settlements[0]?.answer, 'the answer of an approved call is kept for a replay');
});

t.test('an answer that asks the agent something is not kept for a replay: its repeat has more to say', async (t) => {
	const h = harness({
		decisions: [ask, allow],
		answer: { kind: 'answered', message: { result: { resultType: 'input_required', inputRequests: {} } }, bytes: 3 },
	});
	t.match(await h.run(), { kind: 'answered', word: 'ok' });
	t.equal(h.settlements[0]?.answer, undefined);
});

t.test('a rule added while a person decided wins over the approval', async (t) => {
	const h = harness({ decisions: [ask, deny] });
	t.match(await h.run(), { word: 'deny' });
	t.notOk(h.steps.includes('forward'));
});

t.test('an approval that no longer releases is refused, not asked again in the same call', async (t) => {
	const h = harness({ decisions: [ask, ask] });
	t.match(await h.run(), { word: 'approvalRequired', text: /has changed/ });
	t.equal(h.steps.filter((step) => step === 'hold').length, 1);
});

for (const [end, word, text] of [
	[{ kind: 'rejected', approvalId: 'a1', by: 'bob', reason: 'too much' }, 'rejected', /bob rejected this call: too much/],
	[{ kind: 'expired', approvalId: 'a1' }, 'expired', /in time/],
	[{ kind: 'withdrawn', approvalId: 'a1' }, 'withdrawn', /withdrawn/],
	[{ kind: 'pending', approvalId: 'a1', url: 'http://x' }, 'approval_pending', /same arguments/],
	[{ kind: 'outcome_unknown', approvalId: 'a1' }, 'outcome_unknown', /may have run/],
	[{ kind: 'capped', open: 20 }, 'overloaded', /20 approvals/],
] as [HoldEnd, string, RegExp][]) {
	t.test(`a wait that ends as ${end.kind} runs nothing`, async (t) => {
		const h = harness({ decisions: [ask], ends: [end] });
		t.match(await h.run(), { kind: 'refused', word, text });
		t.notOk(h.steps.includes('admit'));
		t.match(h.events.at(-1), { kind: 'refusal', decision: 'approvalRequired', outcome: word });
	});
}

t.test('a replay is recorded and costs no budget', async (t) => {
	const h = harness({ decisions: [ask], ends: [{ kind: 'replayed', approvalId: 'a1', answer: { result: { content: [] } } }] });
	t.match(await h.run(), { kind: 'answered', word: 'replayed' });
	t.match(h.events.at(-1), { outcome: 'replayed' });
	t.notOk(h.steps.some((step) => step.startsWith('charges')));
	const unrecorded = harness({
		decisions: [ask],
		ends: [{ kind: 'replayed', approvalId: 'a1', answer: { result: {} } }],
		throwIn: 'refuse',
	});
	t.match(await unrecorded.run(), { word: 'audit_unavailable' }, 'an answer does not leave unrecorded');
});

t.test('no record, no call', async (t) => {
	const h = harness({ throwIn: 'admit' });
	t.match(await h.run(), { word: 'audit_unavailable', retryAfterMs: 5000 });
	t.notOk(h.steps.includes('forward'));
});

t.test('a refusal in admission is recorded there, once', async (t) => {
	const charge = { key: 'k', rule: 'team.daily', unit: 'calls', limit: 5, cost: 1, windowEndMs: 61_000, isAttempt: true };
	const h = harness({ admitted: { kind: 'budgetExceeded', charge, used: 5 } });
	t.match(await h.run(), { word: 'budgetExceeded', rule: 'team.daily', text: /5 of 5 calls used.*resets in 60 s/, retryAfterMs: 60_000 });
	t.same(h.steps.slice(-1), ['admit']);
	const gone = harness({
		decisions: [ask, allow],
		admitted: { kind: 'unclaimable', why: 'it has expired', state: 'expired', isTaken: false },
	});
	t.match(await gone.run(), { word: 'expired', text: /it has expired/ });
	t.same(gone.steps.slice(-1), ['admit']);
});

t.test('a call whose approval an identical one took waits on, and gets what that one got', async (t) => {
	const taken: Admitted = { kind: 'unclaimable', why: 'an identical call is under way with it', state: 'dispatched', isTaken: true };
	const answer = { result: { content: [] } };
	const h = harness({
		decisions: [ask, allow, ask],
		ends: [approved, { kind: 'replayed', approvalId: 'a1', answer }],
		admitted: taken,
	});
	t.match(await h.run(), { kind: 'answered', word: 'replayed', answer });
	t.notOk(h.steps.includes('forward'));
	t.match(h.events.at(-1), { kind: 'refusal', decision: 'approvalRequired', outcome: 'replayed', approvalId: 'a1' });
	t.equal(h.events.at(-1)?.intentId, undefined, 'the intent that was refused is not this one');
	const back = harness({ decisions: [ask, allow, ask, allow], ends: [approved, approved], admitted: [taken, { kind: 'granted' }] });
	t.match(await back.run(), { kind: 'answered', word: 'ok' }, 'it was given back');
});

for (const [answer, word, fate] of [
	[{ kind: 'not_sent', why: 'connection refused' }, 'upstream_error', 'not_sent'],
	[{ kind: 'timed_out', why: '60 s' }, 'upstream_timeout', 'unknown'],
	[{ kind: 'broken', why: 'reset' }, 'outcome_unknown', 'unknown'],
	[{ kind: 'too_large', why: '11 MiB' }, 'withheld', 'sent'],
] as const) {
	t.test(`an upstream answer that is ${answer.kind} settles as ${fate}`, async (t) => {
		const h = harness({ answer });
		t.match(await h.run(), { kind: 'refused', word });
		t.equal(h.settlements[0]?.fate, fate);
		t.match(h.events.at(-1), { kind: 'outcome', outcome: word, detail: { why: answer.why } });
	});
}

t.test('an error of the upstream passes through as tool_error', async (t) => {
	const h = harness({ answer: { kind: 'answered', message: { error: { code: -32000, message: 'no' } }, bytes: 3 } });
	t.match(await h.run(), { kind: 'answered', word: 'tool_error', answer: { error: { code: -32000 } } });
	const isError = harness({ answer: { kind: 'answered', message: { result: { content: [], isError: true } }, bytes: 3 } });
	t.match(await isError.run(), { kind: 'answered', word: 'tool_error' });
});

t.test('a result rule withholds, and so does a policy that can not judge the result: the call has run', async (t) => {
	const h = harness({ result: deny });
	t.match(await h.run(), { kind: 'refused', word: 'withheld', text: /not here/ });
	t.equal(h.settlements[0]?.fate, 'sent');
	const h2 = harness({ throwIn: 'result' });
	t.match(await h2.run(), { kind: 'refused', word: 'withheld' });
	t.equal(h2.faults.length, 1);
});

t.test('an unexpected throw after the intent is an unknown outcome, before it nothing was run', async (t) => {
	const h = harness({ throwIn: 'upstream' });
	t.match(await h.run(), { word: 'outcome_unknown', text: /may have run/ });
	t.equal(h.settlements[0]?.fate, 'unknown');
	t.equal(h.faults.length, 1);
});

t.test('a refusal stands when it can not be recorded; an answer does not', async (t) => {
	t.match(await harness({ decisions: [deny], throwIn: 'refuse' }).run(), { word: 'deny' });
	const h = harness({ throwIn: 'settle' });
	t.match(await h.run(), { word: 'audit_unavailable', text: /has run/ });
	t.equal(h.faults.length, 1);
});
