import type { ApprovalView } from './approval.ts';
import { refusalOf } from './deciding.ts';
import { countsFor, isSamePerson } from './requirements.ts';

/** What one person may do about one approval. It only says what the attempt would be answered; the attempt is judged again. */
export interface Standing {
	readonly mayApprove: boolean;
	readonly mayReject: boolean;
	/** Withdraw it, or say what became of it. */
	readonly mayEnd: boolean;
	/** Why not approve, where it is pending. */
	readonly whyNot?: string;
}

export interface Onlooking {
	readonly id: string;
	readonly groups: readonly string[];
	readonly isOperator: boolean;
}

export function standingOf(view: ApprovalView, person: Onlooking, nowMs: number): Standing {
	const entry = { view, isOver: view.expiresAtMs <= nowMs };
	const [, whyNot] = refusalOf(entry, { approver: person, decision: 'approve' }) ?? [];
	return {
		mayApprove: whyNot === undefined,
		mayReject: refusalOf(entry, { approver: person, decision: 'reject' }) === undefined,
		mayEnd: mayEnd(view, person),
		...(whyNot === undefined || view.state !== 'pending' ? {} : { whyNot }),
	};
}

/** The operator, or who could have decided it: never, by that alone, the principal whose call it is. */
export function mayEnd({ principal, requirements }: ApprovalView, person: Onlooking): boolean {
	return person.isOperator || (!isSamePerson(person.id, principal) && countsFor(person, requirements).length > 0);
}
