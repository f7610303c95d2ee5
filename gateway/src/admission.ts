/**
 * Where the three ledgers meet: reserve the budgets, claim the approval and write the intent in one transaction, grouped over the
 * calls in flight of this process; or else record the refusal in its place, and burn nothing.
 */
import type { Answer, BudgetCharge, TrailEvent } from './domain.ts';

export interface AdmissionRequest {
	/** The intent event; `intentId` is set. Recorded as it is, with the admission word beside it. */
	readonly event: TrailEvent;
	readonly charges: readonly BudgetCharge[];
	/** The approval to claim, with what it must still be bound to. */
	readonly claim?: Claim;
}

/** Claiming takes an approval from `approved` to `dispatched`, once, when every bound field is still equal. */
export interface Claim {
	readonly approvalId: string;
	/** Digest of the arguments as they go upstream: what the approver agreed to. */
	readonly sentDigest: string;
	readonly definitionDigest: string;
}

export type Admitted =
	| { readonly kind: 'granted' }
	| {
			readonly kind: 'budgetExceeded';
			readonly charge: BudgetCharge;
			readonly used: number;
	  }
	/** The approval can't be claimed: taken by an identical call, ended, or bound to something else; `why` is a sentence. */
	| { readonly kind: 'unclaimable'; readonly why: string; readonly state: string; readonly isTaken: boolean };

/** What became of an admitted call. */
export interface Settlement {
	/** The outcome event; `intentId` is set. */
	readonly event: TrailEvent;
	/** `sent` and `unknown` count as spent; `not_sent` releases everything but attempts and puts the approval back. */
	readonly fate: 'sent' | 'unknown' | 'not_sent';
	/** True costs by charge key, where the result named them. */
	readonly costs: ReadonlyMap<string, number>;
	/** The answer after result rules, kept sealed for a replay when the call had an approval. */
	readonly answer?: Answer;
}

export interface Admission {
	/** @throws {StoreUnavailable} nothing was recorded, or nobody knows: the call must not go on. */
	admit(request: AdmissionRequest): Promise<Admitted>;
	/**
	 * Records the outcome. Resolves when it is durable, or when it waits in the bounded queue because the store is away:
	 * the answer to the agent is not lost by it.
	 */
	settle(settlement: Settlement): Promise<void>;
	/** Records a call that ended before admission. @throws {StoreUnavailable} */
	refuse(event: TrailEvent): Promise<void>;
}
