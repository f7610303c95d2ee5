import type { Downstream, JsonObject } from '../domain.ts';

/** What came back from an upstream. */
export type UpstreamAnswer =
	| { readonly kind: 'answered'; readonly message: JsonObject; readonly bytes: number }
	/** Provably not run: it was not sent, or turned away before anything could run. */
	| { readonly kind: 'not_sent'; readonly why: string }
	/** Sent; no answer by the deadline. */
	| { readonly kind: 'timed_out'; readonly why: string }
	/** Sent; the answer broke off or can't be read. */
	| { readonly kind: 'broken'; readonly why: string }
	/** Answered, over the limit of bytes; the rest was not read. */
	| { readonly kind: 'too_large'; readonly why: string };

/** One request for one upstream. */
export interface UpstreamCall {
	readonly upstream: string;
	/** The agent's session, which has an upstream session of its own. */
	readonly sessionId?: string;
	/** The JSON-RPC request as it goes up; its id and its progress token are replaced on the way. */
	readonly message: JsonObject;
	/** Until the answer is there; absent: as the upstream is configured. */
	readonly timeoutMs?: number;
	/** Of the answer as it came, in bytes. */
	readonly maxResultBytes?: number;
	readonly downstream: Downstream;
}
