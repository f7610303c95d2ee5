import type { Admitted } from './admission.ts';
import type { HoldEnd } from './approvals/approval.ts';
import type { CallRecord } from './call-record.ts';
import type { ArgumentProblem, DecidedRequest, Decision, Outcome, Reason, Refusal, TrailWord } from './domain.ts';
import { Overloaded, PolicyError } from './errors.ts';
import { StoreUnavailable } from './store/sql.ts';
import type { UpstreamAnswer } from './upstreams/upstream-call.ts';

/** One wording per refusal: what happened, and whether to try again. The agent's model reads it. */

const OVERLOAD_RETRY_MS = 1_000;
const STORE_RETRY_MS = 5_000;
const PENDING_RETRY_MS = 1_000;

type Refused = Extract<Outcome, { kind: 'refused' }>;

function refused(word: TrailWord, text: string, rest: Omit<Refusal, 'text'> = {}): Refused {
	return { kind: 'refused', word, text, ...rest };
}

const because = (reason: Reason | undefined): string => (reason === undefined ? '' : `: ${reason.message}`);
const by = (decision: Decision, reason: Reason | undefined) => ({
	decisionId: decision.id,
	...(reason === undefined ? {} : { rule: reason.rule }),
});
const inWords = (ms: number): string => {
	const seconds = Math.max(1, Math.ceil(ms / 1000));
	if (seconds < 120) return `${seconds} s`;
	return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
};

export const refusals = {
	unknownTool: (name: string) => refused('unknown_tool', `Unknown tool: ${name}`),

	unknownResource: (uri: string) => refused('unknown_resource', `Resource not found: ${uri}`),

	unknownPrompt: (name: string) => refused('unknown_prompt', `Unknown prompt: ${name}`),

	quarantined: (noun: string, name: string, why: string) =>
		refused('quarantined', `The ${noun} ${name} is held back: ${why}. An operator has to accept it; don't retry.`),

	argumentsTooLarge: (call: DecidedRequest, limitBytes: number) =>
		refused(
			'invalid_arguments',
			`The arguments of ${call.name} have ${call.argumentsBytes} bytes; at most ${limitBytes} are judged. Send less.`,
		),

	invalidArguments: (name: string, { pointer, message }: ArgumentProblem) =>
		refused(
			'invalid_arguments',
			`The arguments of ${name} don't fit its schema at ${pointer === '' ? 'the top' : pointer}: ${message}. Correct them and call again.`,
		),

	denied: (decision: Decision, reason: Reason | undefined) =>
		refused('deny', `Denied by policy${because(reason)}. Don't retry: the answer will be the same.`, by(decision, reason)),

	approvalNoLongerReleases: (decision: Decision, reason: Reason | undefined) =>
		refused(
			'approvalRequired',
			`The approval no longer releases this call, because what the policy requires has changed${because(reason)}. Nothing was run. Call again to ask anew.`,
			by(decision, reason),
		),

	fromHold(end: Exclude<HoldEnd, { kind: 'approved' }>, decision: Decision, reason: Reason | undefined): Outcome {
		const who = by(decision, reason);
		switch (end.kind) {
			case 'rejected':
				return refused(
					'rejected',
					`${end.by ?? 'An approver'} rejected this call${end.reason ? `: ${end.reason}` : ''}. Nothing was run. Don't retry it unchanged.`,
					who,
				);
			case 'expired':
				return refused('expired', `Nobody approved this call in time${because(reason)}. Nothing was run.`, who);
			case 'withdrawn':
				return refused('withdrawn', 'The approval of this call was withdrawn. Nothing was run.', who);
			case 'pending':
				return refused(
					'approval_pending',
					end.isUnderWay
						? 'An identical call was approved and is under way. Call again with the same arguments to get its result; it runs once.'
						: 'A person has to approve this call and has not decided yet. Call again with the same arguments to go on waiting.',
					{
						...who,
						retryAfterMs: PENDING_RETRY_MS,
						approvalUrl: end.url,
					},
				);
			case 'replayed':
				return { kind: 'answered', word: 'replayed', answer: end.answer, decisionId: decision.id };
			case 'outcome_unknown':
				return refused(
					'outcome_unknown',
					"An identical approved call was sent and its outcome is unknown: it may have run. A person has to look; don't retry.",
					who,
				);
			case 'capped':
				return refused('overloaded', `${end.open} approvals of this principal are already open. Wait until some are decided.`, {
					...who,
					retryAfterMs: OVERLOAD_RETRY_MS,
				});
		}
	},

	budgetExceeded({ charge, used }: Extract<Admitted, { kind: 'budgetExceeded' }>, decision: Decision, nowMs: number): Outcome {
		const waitMs = Math.max(0, charge.windowEndMs - nowMs);
		const left = Math.max(0, charge.limit - used);
		const advice =
			charge.cost > charge.limit
				? 'This call alone is over the limit: ask for less.'
				: `Wait for the reset${left > 0 && charge.cost > 1 ? ', or ask for less' : ''}; retrying sooner is refused.`;
		return refused(
			'budgetExceeded',
			`The budget ${charge.rule} is used up${charge.message === undefined ? '' : ` (${charge.message})`}: ${used} of ${charge.limit} ${charge.unit} used, this call needs ${charge.cost}; it resets in ${inWords(waitMs)}. ${advice}`,
			{ decisionId: decision.id, rule: charge.rule, retryAfterMs: waitMs },
		);
	},

	unclaimable: ({ why, state }: Extract<Admitted, { kind: 'unclaimable' }>, decision: Decision) =>
		refused(
			state === 'expired' || state === 'withdrawn' ? state : 'approvalRequired',
			`The approval can't be used: ${why}. Nothing was run.`,
			{ decisionId: decision.id },
		),

	fromUpstream(answer: Exclude<UpstreamAnswer, { kind: 'answered' }>, upstream: string, decision: Decision): Outcome {
		const decisionId = decision.id;
		switch (answer.kind) {
			case 'not_sent':
				if (answer.requiredCapabilities !== undefined) {
					const { requiredCapabilities } = answer;
					const kinds = Object.keys(requiredCapabilities).join(', ');
					return refused(
						'upstream_error',
						`The server ${upstream} has to be able to ask for ${kinds}, which this agent did not declare or the upstream may not do. Nothing was run; don't retry.`,
						{ decisionId, requiredCapabilities },
					);
				}
				return refused(
					'upstream_error',
					`The server ${upstream} can't be reached (${answer.why}). The call was not sent; it may be tried again later.`,
					{ decisionId, retryAfterMs: OVERLOAD_RETRY_MS },
				);
			case 'timed_out':
				return refused(
					'upstream_timeout',
					`The server ${upstream} did not answer in time (${answer.why}). The call may have run: check before you repeat it.`,
					{ decisionId },
				);
			case 'broken':
				return refused(
					'outcome_unknown',
					`The answer of ${upstream} broke off (${answer.why}). The call may have run: check before you repeat it.`,
					{ decisionId },
				);
			case 'too_large':
				return refused(
					'withheld',
					`The answer of ${upstream} was withheld (${answer.why}). The call has run; don't repeat it, ask for less.`,
					{ decisionId },
				);
		}
	},

	withheld: (decision: Decision, reason: Reason | undefined) =>
		refused('withheld', `The call has run, but its result is withheld${because(reason)}. Don't repeat it.`, by(decision, reason)),

	auditUnavailable: (hasRun: boolean) =>
		refused(
			'audit_unavailable',
			hasRun
				? 'The call has run, but its outcome could not be recorded, so the answer is withheld.'
				: 'The call could not be recorded, so it was not run. Try again in a moment.',
			hasRun ? {} : { retryAfterMs: STORE_RETRY_MS },
		),

	overloaded: (why: string) =>
		refused('overloaded', `ToolGate is busy: ${why}. Nothing was run; try again in a moment.`, { retryAfterMs: OVERLOAD_RETRY_MS }),

	/** An unexpected end. The cause goes to the log; the agent learns whether the call may have run. */
	fromThrow(error: unknown, record: CallRecord): Outcome {
		if (record.isIntended)
			return refused('outcome_unknown', 'ToolGate failed while the call was under way: it may have run. Check before you repeat it.');
		if (error instanceof StoreUnavailable) return refusals.auditUnavailable(false);
		if (error instanceof Overloaded) return refusals.overloaded(error.message);
		const why = error instanceof PolicyError ? `: ${error.message}` : '';
		return refused('policy_error', `The policy could not decide${why}. Nothing was run.`);
	},
};
