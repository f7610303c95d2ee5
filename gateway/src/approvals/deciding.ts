import type { JsonObject } from '../domain.ts';
import { type ErrorCode, ToolGateError } from '../errors.ts';
import type { ApprovalView, DecideRequest, Vote } from './approval.ts';
import { approvalEvent, strayEvent } from './approval-event.ts';
import type { ApprovalEntry, ApprovalLedger } from './approval-ledger.ts';
import { countsFor, isSamePerson, missingVotes } from './requirements.ts';

const MAX_ATTEMPTS = 20;
const MAX_REASON_CHARACTERS = 2_000;
const MAX_ID_CHARACTERS = 100;

/** What people do to approvals. Every attempt is recorded, refused ones too. */
export class Deciding {
	readonly #ledger: ApprovalLedger;
	readonly #nowMs: () => number;

	constructor(ledger: ApprovalLedger, nowMs: () => number) {
		this.#ledger = ledger;
		this.#nowMs = nowMs;
	}

	/**
	 * One person approves or rejects. The approval as it stands then: still pending where more people are needed.
	 * @throws {ToolGateError} NOT_FOUND, CONFLICT (it is not pending any more, or this person has approved it already), FORBIDDEN_APPROVER
	 */
	async decide(request: DecideRequest): Promise<ApprovalView> {
		const { id, approver, decision, via } = request;
		const reason = request.reason?.slice(0, MAX_REASON_CHARACTERS);
		const attempt: JsonObject = { attempt: decision, by: approver.id, via, ...(reason === undefined ? {} : { reason }) };
		for (let tries = 1; tries <= MAX_ATTEMPTS; tries++) {
			const entry = await this.#ledger.get(id);
			if (entry === undefined) return this.#refuse(id, undefined, attempt, 'NOT_FOUND', `no approval ${id.slice(0, MAX_ID_CHARACTERS)}`);
			const { view } = entry;
			const refusal = refusalOf(entry, request);
			if (refusal !== undefined) return this.#refuse(id, view, attempt, ...refusal);

			const counts = countsFor(approver, view.requirements);
			const vote: Vote = { approver: approver.id, decision, ...(reason === undefined ? {} : { reason }), via, atMs: this.#nowMs(), counts };
			const votes = [...view.votes, vote];
			const missing = missingVotes(view.requirements, votes).reduce((sum, one) => sum + one, 0);
			const state = decision === 'reject' ? 'rejected' : missing === 0 ? 'approved' : 'pending';
			const event = approvalEvent(view, this.#nowMs(), {
				...(state === 'pending' ? {} : { outcome: state }),
				...(reason === undefined ? {} : { message: reason }),
				detail: { ...attempt, counts, missing: state === 'pending' ? missing : 0 },
			});
			// What this vote made of it, and not what became of it since: an approved call may be under way, or over, a moment later.
			if (await this.#ledger.vote(entry, { state, votes }, event))
				return { ...view, state, votes, decided: { atMs: vote.atMs, by: approver.id, ...(reason === undefined ? {} : { reason }) } };
		}
		throw new ToolGateError('CONFLICT', 'too many people decide this approval at once; try again');
	}

	/** An operator takes the request back, also after it was approved, until it is used. @throws {ToolGateError} NOT_FOUND, CONFLICT */
	async withdraw(id: string, by: string, reason?: string): Promise<ApprovalView> {
		const attempt: JsonObject = { attempt: 'withdraw', by, ...(reason === undefined ? {} : { reason }) };
		const { view } = await this.#existing(id, attempt);
		const event = approvalEvent(view, this.#nowMs(), {
			outcome: 'withdrawn',
			...(reason === undefined ? {} : { message: reason }),
			detail: { ...attempt, was: view.state },
		});
		if (await this.#ledger.end(id, 'withdrawn', event, { by, isForced: true, ...(reason === undefined ? {} : { reason }) }))
			return (await this.#ledger.get(id))!.view;
		return this.#refuse(
			id,
			view,
			attempt,
			'CONFLICT',
			`the approval can't be withdrawn: it is ${(await this.#ledger.get(id))!.view.state}`,
		);
	}

	/** A person says what became of an unknown outcome. Not run: what it had reserved is given back. @throws {ToolGateError} NOT_FOUND, CONFLICT */
	async resolve(id: string, by: string, hasRun: boolean): Promise<ApprovalView> {
		const attempt: JsonObject = { attempt: 'resolve', by, hasRun };
		const { view } = await this.#existing(id, attempt);
		const event = approvalEvent(view, this.#nowMs(), {
			message: hasRun ? 'a person found that the call ran' : 'a person found that the call did not run',
			detail: attempt,
		});
		if (await this.#ledger.resolve(id, hasRun, by, event)) return (await this.#ledger.get(id))!.view;
		return this.#refuse(
			id,
			view,
			attempt,
			'CONFLICT',
			`only an unknown outcome can be resolved; the approval is ${(await this.#ledger.get(id))!.view.state}`,
		);
	}

	async #existing(id: string, attempt: JsonObject): Promise<ApprovalEntry> {
		return (
			(await this.#ledger.get(id)) ?? this.#refuse(id, undefined, attempt, 'NOT_FOUND', `no approval ${id.slice(0, MAX_ID_CHARACTERS)}`)
		);
	}

	async #refuse(id: string, view: ApprovalView | undefined, attempt: JsonObject, code: ErrorCode, why: string): Promise<never> {
		const detail = { ...attempt, refused: why };
		await this.#ledger.append(
			view === undefined
				? strayEvent(id.slice(0, MAX_ID_CHARACTERS), this.#nowMs(), detail)
				: approvalEvent(view, this.#nowMs(), { detail }),
		);
		throw new ToolGateError(code, why);
	}
}

/** Why this person may not decide it so; undefined when they may. */
export function refusalOf(
	{ view, isOver }: Pick<ApprovalEntry, 'view' | 'isOver'>,
	{ approver, decision }: Pick<DecideRequest, 'approver' | 'decision'>,
): [code: ErrorCode, why: string] | undefined {
	if (view.state !== 'pending') {
		const by = view.decided?.by;
		return ['CONFLICT', `the approval is ${view.state} already${by === undefined ? '' : ` (${by})`}`];
	}
	if (isOver) return ['CONFLICT', 'the approval has expired'];
	if (isSamePerson(approver.id, view.principal)) return ['FORBIDDEN_APPROVER', 'nobody decides about a call of their own'];
	if (countsFor(approver, view.requirements).length === 0)
		return ['FORBIDDEN_APPROVER', `${approver.id} is not among the approvers that the rule names`];
	if (decision === 'approve' && view.votes.some((vote) => isSamePerson(vote.approver, approver.id))) {
		return ['CONFLICT', `${approver.id} has approved it already; it needs other people too`];
	}
	return undefined;
}
