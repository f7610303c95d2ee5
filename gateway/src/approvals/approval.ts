import type {
	Answer,
	ApprovalRequirement,
	Capability,
	DecidedRequest,
	Decision,
	JsonObject,
	Reason,
	Release,
	TrailEvent,
} from '../domain.ts';

/** `pending → approved | rejected`; both end by themselves as expired or withdrawn; `approved → dispatched → done | outcome_unknown`. */
export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'withdrawn' | 'dispatched' | 'done' | 'outcome_unknown';

/** What one person said. */
export interface Vote {
	readonly approver: string;
	readonly decision: 'approve' | 'reject';
	readonly reason?: string;
	/** Where it was said: `operator`, `inbox`, `lark`. */
	readonly via: string;
	/** Milliseconds on the database's clock. */
	readonly atMs: number;
	/** The requirements it counts for, by their place. */
	readonly counts: readonly number[];
}

/** An approval as people see it. */
export interface ApprovalView {
	readonly id: string;
	readonly state: ApprovalState;
	readonly principal: string;
	readonly agent: string;
	readonly session?: string;
	readonly turn?: string;
	readonly server: string;
	/** The upstream's own name of the tool. */
	readonly tool: string;
	/** The recorded form of the arguments. */
	readonly arguments: JsonObject;
	/** JSON Pointers of what is masked or missing there only: the upstream gets it as it is. */
	readonly recordOnly: readonly string[];
	readonly reasons: readonly Reason[];
	readonly requirements: readonly ApprovalRequirement[];
	readonly votes: readonly Vote[];
	readonly requestedAtMs: number;
	readonly expiresAtMs: number;
	/** The last word on it: who, when and why. */
	readonly decided?: { readonly atMs: number; readonly by?: string; readonly reason?: string };
	/** Of the call that asked first. */
	readonly callId: string;
	readonly decisionId: string;
	/** Revision of the bundle that required it. */
	readonly revision: string;
	/** What it is bound to. */
	readonly definitionDigest: string;
	readonly argumentsDigest: string;
	readonly sentDigest: string;
}

/** A person's attempt to decide. */
export interface DecideRequest {
	readonly id: string;
	readonly approver: { readonly id: string; readonly groups: readonly string[] };
	readonly decision: 'approve' | 'reject';
	readonly reason?: string;
	readonly via: string;
}

/** Tells people about approvals. It grants nothing, and whether it succeeds decides nothing. */
export interface Notifier {
	readonly name: string;
	/** An approval is open; returns by what its message is found again. Called again, a few times, when it throws: the same message then. */
	requested(approval: ApprovalView): Promise<string>;
	/** An approval that was told of, by any process, is decided, expired or withdrawn. Called again, a few times, when it throws. */
	ended(approval: ApprovalView, reference: string): Promise<void>;
}

/** What a call that must wait hands over. */
export interface ApprovalWish {
	/** The decision event, appended with the approval in one transaction. */
	readonly event: TrailEvent;
	readonly call: DecidedRequest;
	readonly tool: Capability;
	readonly decision: Decision;
	readonly argumentsDigest: string;
	readonly sentDigest: string;
	readonly recorded: JsonObject;
	/** The arguments as they will be sent, to tell the approver where the record differs; it isn't kept. */
	readonly sent: JsonObject;
	/** When the call came, in milliseconds on the database's clock: it is held no longer for having to wait twice. */
	readonly sinceMs: number;
}

/** How a held call's wait ended. */
export type HoldEnd =
	| { readonly kind: 'approved'; readonly approvalId: string; readonly releases: readonly Release[] }
	| { readonly kind: 'rejected' | 'expired' | 'withdrawn'; readonly approvalId: string; readonly by?: string; readonly reason?: string }
	/** Nobody has decided, or, when it is under way, an identical call is running with it. */
	| { readonly kind: 'pending'; readonly approvalId: string; readonly url: string; readonly isUnderWay: boolean }
	/** An identical call ran a moment ago: its answer again. */
	| { readonly kind: 'replayed'; readonly approvalId: string; readonly answer: Answer }
	/** An identical call may have run; nobody knows. */
	| { readonly kind: 'outcome_unknown'; readonly approvalId: string }
	/** Too many approvals of this principal are open. */
	| { readonly kind: 'capped'; readonly open: number };
