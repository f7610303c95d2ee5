import type { Json } from './types.ts';

/** What the audit and budget routes answer, as far as the pages read it. Times are milliseconds on the gateway's clock. */

export interface TrailEvent {
	readonly stream: string;
	readonly sequence: number;
	readonly hash: string;
	readonly admission: string;
	readonly id: string;
	readonly kind: string;
	readonly timeMs: number;
	readonly callId?: string;
	readonly decisionId?: string;
	readonly intentId?: string;
	readonly approvalId?: string;
	readonly principal?: string;
	readonly agent?: string;
	readonly session?: string;
	readonly turn?: string;
	readonly server?: string;
	readonly tool?: string;
	readonly decision?: string;
	readonly outcome?: string;
	readonly rule?: string;
	readonly message?: string;
	readonly revision?: string;
	readonly input?: { readonly [name: string]: Json };
	readonly detail?: { readonly [name: string]: Json };
}

/** A call as a whole, or an event that is about none. */
export interface Entry {
	readonly timeMs: number;
	readonly stream: string;
	readonly sequence: number;
	readonly kind: string;
	readonly callId?: string;
	readonly words: readonly string[];
	readonly isRunning: boolean;
	readonly principal?: string;
	readonly agent?: string;
	readonly server?: string;
	readonly tool?: string;
	readonly session?: string;
	readonly turn?: string;
	readonly rule?: string;
	readonly message?: string;
	readonly durationMs?: number;
}

export interface EntryPage {
	readonly nowMs: number;
	readonly entries: readonly Entry[];
	/** Given: there may be more, even where this page has none. */
	readonly next?: string;
}

export interface CountsOverTime {
	readonly fromMs: number;
	readonly toMs: number;
	readonly stepMs: number;
	readonly bars: readonly { readonly startMs: number; readonly counts: Readonly<Record<string, number>> }[];
	readonly total: number;
	/** False: older ones that fit were left out. */
	readonly isAll: boolean;
}

export interface VerifyReport {
	readonly isIntact: boolean;
	readonly streams: number;
	readonly events: number;
	readonly problem?: string;
	readonly lastCheckpointMs?: number;
	readonly unsigned: number;
	readonly durability?: string;
}

export interface ProofStatus {
	readonly keyId: string;
	readonly checkpoints: { readonly lastMs?: number; readonly place?: string; readonly problem?: string };
	readonly verified?: VerifyReport & { readonly atMs: number };
}

export interface Budget {
	readonly key: string;
	readonly rule: string;
	readonly unit: string;
	readonly limit: number;
	/** Spent and reserved together. */
	readonly used: number;
	readonly spent: number;
	readonly reserved: number;
	readonly overrun: number;
	readonly windowEndMs: number;
}

export interface WindowUse {
	readonly unit: string;
	readonly windowEndMs: number;
	readonly budgets: number;
	readonly used: number;
	readonly overrun: number;
	readonly mostUsed: number;
	readonly limit: number;
}
