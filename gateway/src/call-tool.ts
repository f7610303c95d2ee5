import { randomUUID } from 'node:crypto';
import type { Admission } from './admission.ts';
import type { ApprovalWish, HoldEnd } from './approvals/approval.ts';
import type {
	ArgumentProblem,
	BudgetCharge,
	BudgetDemand,
	Capability,
	DecidedRequest,
	Decision,
	DecisionDocument,
	Item,
	JsonObject,
	Outcome,
	Reason,
	Release,
	Tool,
	ToolCall,
} from './domain.ts';
import { CallRecord } from './call-record.ts';
import type { Judge } from './policy/judge.ts';
import type { Obligations } from './policy/obligations.ts';
import { refusals } from './refusals.ts';
import type { UpstreamAnswer, UpstreamCall } from './upstreams/upstream-call.ts';
import { withoutText } from './without-text.ts';

export interface PathDeps {
	/** @throws {PolicyError} there is no valid bundle. */
	readonly policy: { judge(): Judge };
	readonly input: {
		list(caller: DecidedRequest['caller'], capability: Tool | Item): JsonObject;
		call(request: DecidedRequest, capability: Tool | Item, argumentsDigest: string, releases: readonly Release[]): JsonObject;
	};
	readonly obligations: {
		/** @throws {PolicyError} an obligation can't be fulfilled. */
		accept(document: DecisionDocument, args: JsonObject, patterns: Judge['patterns']): Obligations;
		/** The result after the redactions of every document; undefined when it no longer fits its output schema. @throws {PolicyError} */
		redactResult(
			documents: readonly DecisionDocument[],
			result: JsonObject,
			capability: Tool | Item,
			patterns: Judge['patterns'],
		): JsonObject | undefined;
	};
	readonly approvals: { hold(wish: ApprovalWish): Promise<HoldEnd> };
	readonly budgets: { charges(demands: readonly BudgetDemand[], request: DecidedRequest, capability: Capability): BudgetCharge[] };
	readonly admission: Admission;
	readonly upstreams: { call(call: UpstreamCall): Promise<UpstreamAnswer> };
	readonly keyedDigest: (value: JsonObject) => string;
	readonly limits: { readonly argumentsBytes: number; readonly resultBytes: number };
	readonly nowMs: () => number;
	/** Where an unexpected throw is told; the agent sees only a sentence. */
	readonly onFault: (error: unknown, callId: string) => void;
}

export interface CallToolDeps extends PathDeps {
	readonly capabilities: { find(listedName: string): Tool | undefined };
}

/** What a request asks for: all in which a `tools/call` and the other decided requests differ. */
export interface Asked<C extends Tool | Item> {
	/** The word before its name in a sentence. */
	readonly noun: string;
	/** What the agent names, as it is offered now, whoever asks; undefined: nothing. */
	find(): C | undefined;
	/** The answer where there is no such thing, or not for this principal. */
	unknown(): Outcome;
	/** The first problem of the arguments. */
	problem(capability: C): ArgumentProblem | undefined;
	/** The judged message with the upstream's own names and the sent form of the arguments: unknown fields and `_meta` pass untouched. */
	forwarded(capability: C, sent: JsonObject): JsonObject;
}

/** One `tools/call`, to its recorded end. Never rejects. */
export async function callTool(call: ToolCall, deps: CallToolDeps): Promise<Outcome> {
	return decideAndRelay(call, deps, {
		noun: 'tool',
		find: () => deps.capabilities.find(call.name),
		unknown: () => refusals.unknownTool(call.name),
		problem: (tool) => call.unreadable ?? tool.validate(call.arguments),
		forwarded: (tool, sent) => ({
			...call.message,
			params: { ...(call.message['params'] as JsonObject), name: tool.name, arguments: sent },
		}),
	});
}

/** The path of every decided request. One exit, and it records. `run` has many exits, and never does. */
export async function decideAndRelay<C extends Tool | Item>(request: DecidedRequest, deps: PathDeps, asked: Asked<C>): Promise<Outcome> {
	const record = new CallRecord(request, deps.nowMs);
	let outcome: Outcome;
	try {
		outcome = await run(request, asked, record, deps);
	} catch (error) {
		outcome = refusals.fromThrow(error, record);
		deps.onFault(error, request.id);
	}
	return record.close(outcome, deps.admission, (error) => deps.onFault(error, request.id));
}

const UNRELEASED: { readonly approvalId: string | undefined; readonly releases: readonly Release[] } = {
	approvalId: undefined,
	releases: [],
};

async function run<C extends Tool | Item>(call: DecidedRequest, asked: Asked<C>, record: CallRecord, deps: PathDeps): Promise<Outcome> {
	const argumentsDigest = deps.keyedDigest(call.arguments);
	record.argumentsDigest = argumentsDigest;
	let { approvalId, releases } = UNRELEASED;

	// Steps 1 to 4 run again when a wait ends, under the policy and the tool list of that moment.
	for (;;) {
		// 1. Resolve. No access answers exactly as unknown, before anything looks at the arguments.
		const judge = deps.policy.judge();
		record.resolving(judge.revision);
		const capability = asked.find();
		if (capability === undefined) return asked.unknown();
		record.capability = capability;
		if (!judge.list(deps.input.list(call.caller, capability))) return asked.unknown();
		if (capability.quarantine !== undefined) return refusals.quarantined(asked.noun, call.name, capability.quarantine);

		// 2. Validate, so that policy sees well-typed input only, and never more of it than it can judge in time.
		if (call.argumentsBytes > deps.limits.argumentsBytes) return refusals.argumentsTooLarge(call, deps.limits.argumentsBytes);
		const problem = asked.problem(capability);
		if (problem !== undefined) return refusals.invalidArguments(call.name, problem);

		// 3. Decide.
		const input = deps.input.call(call, capability, argumentsDigest, releases);
		const decision: Decision = { id: randomUUID(), revision: judge.revision, document: judge.call(input) };
		const { document } = decision;

		// 4. Accept the obligations before any side effect: the sent form goes upstream, the recorded form everywhere else.
		const obligations = deps.obligations.accept(document, call.arguments, judge.patterns);
		record.decided(decision, input, obligations.recorded);
		const leading: Reason | undefined = document.reasons[0];

		if (document.verdict === 'deny') return refusals.denied(decision, leading);
		if (document.verdict === 'approvalRequired') {
			// 5. Wait for the approval before budget: a person may take an hour, a reservation must not.
			if (approvalId !== undefined) return refusals.approvalNoLongerReleases(decision, leading);
			const sentDigest = deps.keyedDigest(obligations.sent);
			const end = await deps.approvals.hold({
				event: record.event('decision', { decision: 'approvalRequired' }),
				call,
				tool: capability,
				decision,
				argumentsDigest,
				sentDigest,
				recorded: obligations.recorded,
				sent: obligations.sent,
				sinceMs: record.startedMs,
			});
			record.held(end);
			if (end.kind !== 'approved') return refusals.fromHold(end, decision, leading);
			({ approvalId, releases } = end);
			continue;
		}

		// 6. Admit: reserve, claim and intend in one transaction. No record, no call.
		const charges = deps.budgets.charges(document.budgets, call, capability);
		const admitted = await deps.admission.admit({
			event: record.intent(charges),
			charges,
			...(approvalId === undefined
				? {}
				: { claim: { approvalId, sentDigest: deps.keyedDigest(obligations.sent), definitionDigest: capability.digest } }),
		});
		record.admitted(admitted);
		if (admitted.kind === 'budgetExceeded') return refusals.budgetExceeded(admitted, decision, deps.nowMs());
		if (admitted.kind === 'unclaimable') {
			if (!admitted.isTaken) return refusals.unclaimable(admitted, decision);
			// An identical call, here or on another replica, was faster: this one waits on, as if it had just come, and gets that one's result.
			({ approvalId, releases } = UNRELEASED);
			continue;
		}

		// 7. Forward, once. After a timeout or a broken answer the call may have run; it is never retried.
		const answer = await deps.upstreams.call({
			upstream: capability.upstream,
			...sessionOf(call),
			principalId: call.caller.principal.id,
			era: call.caller.session.era,
			message: asked.forwarded(capability, obligations.sent),
			...(capability.kind === undefined ? { definition: capability.definition } : {}),
			...(obligations.timeoutMs === undefined ? {} : { timeoutMs: obligations.timeoutMs }),
			maxResultBytes: Math.min(obligations.maxResultBytes ?? Infinity, deps.limits.resultBytes),
			downstream: isResultJudged(judge, document) ? withoutText(call.downstream) : call.downstream,
		});
		record.answered(answer);
		if (answer.kind !== 'answered') return refusals.fromUpstream(answer, capability.upstream, decision);

		// 8. Result rules, then the one exit settles and records.
		return judgeResult(answer.message, { capability, decision, input, judge, deps, record });
	}
}

/** What is said before the result could say what rules are going to take out of it. */
const isResultJudged = ({ mayJudgeResults }: Judge, { redactions }: DecisionDocument): boolean =>
	mayJudgeResults || redactions.some(({ target }) => target === 'result');

function sessionOf({ caller, upstreamSession = caller.session.id }: DecidedRequest): { sessionId?: string } {
	return upstreamSession === undefined ? {} : { sessionId: upstreamSession };
}

interface Answered {
	readonly capability: Tool | Item;
	readonly decision: Decision;
	readonly input: JsonObject;
	readonly judge: Judge;
	readonly deps: PathDeps;
	readonly record: CallRecord;
}

/** The answer after result rules. A policy that can't judge a result withholds it: the call ran, its answer stays here. */
function judgeResult(message: JsonObject, { capability, decision, input, judge, deps, record }: Answered): Outcome {
	const decisionId = decision.id;
	if ('error' in message) {
		return { kind: 'answered', word: 'tool_error', answer: { error: message['error'] as JsonObject }, decisionId };
	}
	const result = message['result'] as JsonObject;
	try {
		const document = judge.result({ ...input, result });
		if (document.verdict !== 'allow') return refusals.withheld(decision, document.reasons[0]);
		const redacted = deps.obligations.redactResult([decision.document, document], result, capability, judge.patterns);
		if (redacted === undefined)
			return refusals.withheld(decision, { rule: 'toolgate.output', message: 'the redacted result no longer fits its output schema' });
		record.returned(result);
		return { kind: 'answered', word: redacted['isError'] === true ? 'tool_error' : 'ok', answer: { result: redacted }, decisionId };
	} catch (error) {
		deps.onFault(error, record.call.id);
		return refusals.withheld(decision, { rule: 'toolgate.policy', message: 'the policy could not judge the result' });
	}
}
