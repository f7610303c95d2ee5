import type { ApprovalRequirement, BudgetDemand, DecisionDocument, JsonObject, Reason, Redaction } from '../domain.ts';
import type { Judge } from './judge.ts';

/** What a policy says of one input, and why. */
export interface Explanation {
	readonly revision: string;
	/** May the principal see the tool at all; without it, nothing else counts. */
	readonly hasAccess: boolean;
	readonly document: DecisionDocument;
	/** What the rules say of the result, where the input has one. */
	readonly result?: DecisionDocument;
	/** Rules that left a trace in the decision, sorted: their reasons at the leading rank, demands and budgets at every rank. */
	readonly rules: readonly string[];
	/** What it would say with every approval given; absent where none is asked for. */
	readonly released?: DecisionDocument;
}

/** What listing does not see. */
const ONLY_OF_CALLS = ['method', 'session', 'arguments', 'argumentsDigest', 'argumentsBytes', 'approvals'];
const without = (input: JsonObject, names: readonly string[]): JsonObject =>
	Object.fromEntries(Object.entries(input).filter(([name]) => !names.includes(name)));

/** Decides as the gateway does, in its order. @throws {PolicyError} the policy can't decide. */
export function explain(judge: Judge, input: JsonObject): Explanation {
	const { result, ...asked } = input;
	const hasAccess = judge.list(without(asked, ONLY_OF_CALLS));
	const document = judge.call(asked);
	const needsApproval = document.verdict === 'approvalRequired';
	return {
		revision: judge.revision,
		hasAccess,
		document,
		...(result === undefined ? {} : { result: judge.result(input) }),
		rules: rulesOf(document),
		...(needsApproval
			? {
					released: judge.call({ ...asked, approvals: [...approvalsOf(asked), ...document.approvals.map((each) => granted(each, asked))] }),
				}
			: {}),
	};
}

/** One line each, what the decision comes to and what would change it. */
export function linesOf({ hasAccess, document, released }: Explanation): string[] {
	if (!hasAccess)
		return ['no rule grants access: the tool is not listed, and a call reads as an unknown tool; an access rule has to name it'];
	const lines = document.reasons.map(({ rule, message }: Reason) => `${rule}: ${message}`);
	lines.push(...document.approvals.map(approvalLine));
	if (released !== undefined)
		lines.push(
			`then: ${released.verdict}${released.reasons.length === 0 ? '' : ` (${released.reasons.map(({ rule }) => rule).join(', ')})`}`,
		);
	lines.push(...document.budgets.map(budgetLine), ...document.redactions.map(redactionLine));
	lines.push(...Object.entries(document.limits).map(([name, limit]) => `limit ${name}: ${limit}`));
	if (document.verdict === 'deny') lines.push('nothing releases a deny but another policy or another call');
	return lines;
}

const approvalLine = ({ rule, quorum, approvers, ttlSeconds }: ApprovalRequirement): string =>
	`${rule} is released by ${quorum} of ${approvers.join(', ')}, within ${ttlSeconds} s`;

const budgetLine = ({ rule, cost, unit, limit, per, by }: BudgetDemand): string =>
	`${rule} takes ${cost} of ${limit} ${unit} per ${typeof per === 'number' ? `${per} s` : per}${by.length === 0 ? '' : `, by ${by.join(' and ')}`}`;

const redactionLine = ({ target, path, match, mode }: Redaction): string => `${mode} ${match ?? 'the value'} in ${target}${path}`;

function rulesOf({ reasons, approvals, budgets }: DecisionDocument): string[] {
	return [...new Set([...reasons, ...approvals, ...budgets].map(({ rule }) => rule))].sort();
}

const approvalsOf = ({ approvals }: JsonObject): JsonObject[] => (Array.isArray(approvals) ? (approvals as JsonObject[]) : []);

/** An approval of everybody who may give it. The names stand for whoever they are. */
function granted({ rule, approvers, quorum }: ApprovalRequirement, { argumentsDigest, time }: JsonObject): JsonObject {
	const nowMs = Number((time as JsonObject | undefined)?.['ms'] ?? 0);
	return {
		rule,
		requirement: { approvers: [...approvers], quorum },
		argumentsDigest: argumentsDigest ?? '',
		approvers: Array.from({ length: quorum }, (_, index) => `approver-${index + 1}@toolgate.invalid`),
		expiresAtMs: nowMs + 1,
	};
}
