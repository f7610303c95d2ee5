import { randomUUID } from 'node:crypto';
import type { Admission } from './admission.ts';
import type { ApprovalWish, HoldEnd } from './approvals/approval.ts';
import type {
	BudgetCharge,
	BudgetDemand,
	Decision,
	DecisionDocument,
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

export interface CallToolDeps {
	readonly capabilities: { find(listedName: string): Tool | undefined };
	/** @throws {PolicyError} there is no valid bundle. */
	readonly policy: { judge(): Judge };
	readonly input: {
		list(caller: ToolCall['caller'], tool: Tool): JsonObject;
		call(call: ToolCall, tool: Tool, argumentsDigest: string, releases: readonly Release[]): JsonObject;
	};
	readonly obligations: {
		/** @throws {PolicyError} an obligation can't be fulfilled. */
		accept(document: DecisionDocument, args: JsonObject, patterns: Judge['patterns']): Obligations;
		/** The result after the redactions of every document; undefined when it no longer fits its output schema. @throws {PolicyError} */
		redactResult(documents: readonly DecisionDocument[], result: JsonObject, tool: Tool, patterns: Judge['patterns']): JsonObject | undefined;
	};
	readonly approvals: { hold(wish: ApprovalWish): Promise<HoldEnd> };
	readonly budgets: { charges(demands: readonly BudgetDemand[], call: ToolCall, tool: Tool): BudgetCharge[] };
	readonly admission: Admission;
	readonly upstreams: { call(call: UpstreamCall): Promise<UpstreamAnswer> };
	readonly keyedDigest: (value: JsonObject) => string;
	readonly limits: { readonly argumentsBytes: number; readonly resultBytes: number };
	readonly nowMs: () => number;
	/** Where an unexpected throw is told; the agent sees only a sentence. */
	readonly onFault: (error: unknown, callId: string) => void;
}

/** One exit, and it records. `run` has many exits, and never does. */
export async function callTool(call: ToolCall, deps: CallToolDeps): Promise<Outcome> {
	const record = new CallRecord(call, deps.nowMs);
	let outcome: Outcome;
	try {
		outcome = await run(call, record, deps);
	} catch (error) {
		outcome = refusals.fromThrow(error, record);
		deps.onFault(error, call.id);
	}
	return record.close(outcome, deps.admission, (error) => deps.onFault(error, call.id));
}

async function run(call: ToolCall, record: CallRecord, deps: CallToolDeps): Promise<Outcome> {
	const argumentsDigest = deps.keyedDigest(call.arguments);
	record.argumentsDigest = argumentsDigest;
	let releases: readonly Release[] = [];
	let approvalId: string | undefined;

	// Steps 1 to 4 run again when a wait ends, under the policy and the tool list of that moment.
	for (;;) {
		// 1. Resolve. No access answers exactly as unknown, before anything looks at the arguments.
		const judge = deps.policy.judge();
		record.resolving(judge.revision);
		const tool = deps.capabilities.find(call.name);
		if (tool === undefined) return refusals.unknownTool(call.name);
		record.tool = tool;
		if (!judge.list(deps.input.list(call.caller, tool))) return refusals.unknownTool(call.name);
		if (tool.quarantine !== undefined) return refusals.quarantined(call.name, tool.quarantine);

		// 2. Validate, so that policy sees well-typed input only, and never more of it than it can judge in time.
		if (call.argumentsBytes > deps.limits.argumentsBytes) return refusals.argumentsTooLarge(call, deps.limits.argumentsBytes);
		const problem = call.unreadable ?? tool.validate(call.arguments);
		if (problem !== undefined) return refusals.invalidArguments(call.name, problem);

		// 3. Decide.
		const input = deps.input.call(call, tool, argumentsDigest, releases);
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
				tool,
				decision,
				argumentsDigest,
				sentDigest,
				recorded: obligations.recorded,
			});
			record.held(end);
			if (end.kind !== 'approved') return refusals.fromHold(end, decision, leading);
			({ approvalId, releases } = end);
			continue;
		}

		// 6. Admit: reserve, claim and intend in one transaction. No record, no call.
		const charges = deps.budgets.charges(document.budgets, call, tool);
		const admitted = await deps.admission.admit({
			event: record.intent(charges),
			charges,
			...(approvalId === undefined
				? {}
				: { claim: { approvalId, sentDigest: deps.keyedDigest(obligations.sent), definitionDigest: tool.digest } }),
		});
		record.admitted(admitted);
		if (admitted.kind === 'budgetExceeded') return refusals.budgetExceeded(admitted, decision, deps.nowMs());
		if (admitted.kind === 'unclaimable') return refusals.unclaimable(admitted, decision);

		// 7. Forward, once. After a timeout or a broken answer the call may have run; it is never retried.
		const answer = await deps.upstreams.call({
			upstream: tool.upstream,
			...(call.caller.session.id === undefined ? {} : { sessionId: call.caller.session.id }),
			message: forwarded(call, tool, obligations.sent),
			...(obligations.timeoutMs === undefined ? {} : { timeoutMs: obligations.timeoutMs }),
			maxResultBytes: Math.min(obligations.maxResultBytes ?? Infinity, deps.limits.resultBytes),
			downstream: call.downstream,
		});
		record.answered(answer);
		if (answer.kind !== 'answered') return refusals.fromUpstream(answer, tool, decision);

		// 8. Result rules, then the one exit settles and records.
		return judgeResult(answer.message, { tool, decision, input, judge, deps, record });
	}
}

/** The judged message itself with the upstream's name and the sent form: unknown fields and `_meta` pass untouched. */
function forwarded(call: ToolCall, tool: Tool, sent: JsonObject): JsonObject {
	const params = call.message['params'] as JsonObject;
	return { ...call.message, params: { ...params, name: tool.name, arguments: sent } };
}

interface Answered {
	readonly tool: Tool;
	readonly decision: Decision;
	readonly input: JsonObject;
	readonly judge: Judge;
	readonly deps: CallToolDeps;
	readonly record: CallRecord;
}

/** The answer after result rules. A policy that can't judge a result withholds it: the call ran, its answer stays here. */
function judgeResult(message: JsonObject, { tool, decision, input, judge, deps, record }: Answered): Outcome {
	const decisionId = decision.id;
	if ('error' in message) {
		return { kind: 'answered', word: 'tool_error', answer: { error: message['error'] as JsonObject }, decisionId };
	}
	const result = message['result'] as JsonObject;
	try {
		const document = judge.result({ ...input, result });
		if (document.verdict !== 'allow') return refusals.withheld(decision, document.reasons[0]);
		const redacted = deps.obligations.redactResult([decision.document, document], result, tool, judge.patterns);
		if (redacted === undefined) return refusals.withheld(decision, { rule: 'toolgate.output', message: 'the redacted result no longer fits its output schema' });
		record.returned(result);
		return { kind: 'answered', word: redacted['isError'] === true ? 'tool_error' : 'ok', answer: { result: redacted }, decisionId };
	} catch (error) {
		deps.onFault(error, record.call.id);
		return refusals.withheld(decision, { rule: 'toolgate.policy', message: 'the policy could not judge the result' });
	}
}
