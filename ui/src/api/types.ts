/** What the people listener's API answers, as far as the pages read it. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Session {
	readonly person: { readonly id: string; readonly groups: readonly string[]; readonly isOperator: boolean };
	readonly csrfToken: string;
}

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'withdrawn' | 'dispatched' | 'done' | 'outcome_unknown';

export interface Requirement {
	readonly rule: string;
	readonly approvers: readonly string[];
	readonly quorum: number;
	readonly ttlSeconds: number;
}

export interface Vote {
	readonly approver: string;
	readonly decision: 'approve' | 'reject';
	readonly reason?: string;
	readonly via: string;
	readonly atMs: number;
	/** The requirements it counts for, by their place. */
	readonly counts: readonly number[];
}

/** Times are milliseconds on the gateway's clock. */
export interface Approval {
	readonly id: string;
	readonly state: ApprovalState;
	readonly principal: string;
	readonly agent: string;
	readonly session?: string;
	readonly turn?: string;
	readonly server: string;
	readonly tool: string;
	readonly arguments: { readonly [name: string]: Json };
	/** JSON Pointers of what is masked or missing there only: the tool gets it as it is. */
	readonly recordOnly: readonly string[];
	readonly reasons: readonly { readonly rule: string; readonly message: string }[];
	readonly requirements: readonly Requirement[];
	readonly votes: readonly Vote[];
	readonly requestedAtMs: number;
	readonly expiresAtMs: number;
	readonly decided?: { readonly atMs: number; readonly by?: string; readonly reason?: string };
	readonly callId: string;
	readonly decisionId: string;
	readonly revision: string;
	readonly definitionDigest: string;
	readonly argumentsDigest: string;
	readonly sentDigest: string;
	readonly you: { readonly mayApprove: boolean; readonly mayReject: boolean; readonly mayEnd: boolean; readonly whyNot?: string };
}

export interface ApprovalContext {
	readonly isOneSession: boolean;
	readonly calls: readonly {
		readonly callId: string;
		readonly server?: string;
		readonly tool: string;
		readonly atMs: number;
		readonly words: readonly string[];
	}[];
	readonly definition: {
		readonly title?: string;
		readonly description?: string;
		readonly firstSeenAtMs?: number;
		readonly earlier: number;
		readonly isAccepted?: boolean;
		readonly acceptedBy?: 'first-sight' | 'operator';
		readonly acceptedAtMs?: number;
	};
}
