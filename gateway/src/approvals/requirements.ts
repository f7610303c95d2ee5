import { canonicalJson, digestOf } from '../canonical-json.ts';
import type { ApprovalRequirement, JsonValue, Release } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import type { ApprovalView, ApprovalWish, Vote } from './approval.ts';

/** People are compared without regard to case: one person under two spellings is one person. */
export const isSamePerson = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** What makes two calls identical: principal, agent, upstream, tool and arguments. */
export function identityOf({ call, tool, argumentsDigest }: ApprovalWish): string {
	const { principal, agent } = call.caller;
	return digestOf([principal.id, agent.id, tool.upstream, tool.name, argumentsDigest]);
}

/** The requirements in one order, so that equal ones are equal as text. @throws {PolicyError} there is none. */
export function requirementsOf({ decision }: ApprovalWish): ApprovalRequirement[] {
	const sorted = decision.document.approvals
		.map(({ rule, approvers, quorum, ttlSeconds }) => ({ rule, approvers: [...new Set(approvers)].sort(), quorum, ttlSeconds }))
		.sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
	if (sorted.length === 0) throw new PolicyError('it requires an approval, but of nobody');
	return sorted;
}

/** What has changed since the approval was asked for, as a sentence; undefined when it still stands for this call. */
export function changedSince(approval: ApprovalView, wish: ApprovalWish): string | undefined {
	if (approval.definitionDigest !== wish.tool.digest) return 'the definition of the tool has changed';
	if (approval.sentDigest !== wish.sentDigest) return 'the arguments as they would be sent have changed';
	if (valuesOf(approval.requirements) !== valuesOf(requirementsOf(wish))) return 'what the policy requires has changed';
	return undefined;
}

/** Rule, approvers and quorum are compared; how long it lasts is not. */
function valuesOf(requirements: readonly ApprovalRequirement[]): string {
	return canonicalJson(requirements.map(({ rule, approvers, quorum }): JsonValue => ({ rule, approvers: [...approvers], quorum })));
}

/** The places of the requirements that this person's vote counts for. */
export function countsFor(
	approver: { readonly id: string; readonly groups: readonly string[] },
	requirements: readonly ApprovalRequirement[],
): number[] {
	return requirements.flatMap(({ approvers }, place) =>
		approvers.some((named) =>
			named.startsWith('group:') ? approver.groups.includes(named.slice('group:'.length)) : isSamePerson(named, approver.id),
		)
			? [place]
			: [],
	);
}

/** Votes that each requirement still lacks; all zero: approved. */
export function missingVotes(requirements: readonly ApprovalRequirement[], votes: readonly Vote[]): number[] {
	return requirements.map(({ quorum }, place) => Math.max(0, quorum - approversOf(place, votes).length));
}

const approversOf = (place: number, votes: readonly Vote[]): string[] =>
	votes.filter(({ decision, counts }) => decision === 'approve' && counts.includes(place)).map(({ approver }) => approver);

/** What an approved approval releases, as the policy sees it. */
export function releasesOf({ requirements, votes, argumentsDigest, expiresAtMs }: ApprovalView): Release[] {
	return requirements.map(({ rule, approvers, quorum }, place) => ({
		rule,
		requirement: { approvers, quorum },
		argumentsDigest,
		approvers: approversOf(place, votes),
		expiresAtMs,
	}));
}
