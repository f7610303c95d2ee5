import type { Downstream, Era, JsonObject } from '../domain.ts';

/** What came back from an upstream. */
export type UpstreamAnswer =
	| { readonly kind: 'answered'; readonly message: JsonObject; readonly bytes: number }
	/** Provably not run: it was not sent, or turned away before anything could run. `isUnreachable` where nobody was there to turn it away. */
	| {
			readonly kind: 'not_sent';
			readonly why: string;
			readonly isUnreachable?: true;
			/** What it would have had to be able to ask the agent (2026-07-28), as a client declares it. */
			readonly requiredCapabilities?: JsonObject;
	  }
	/** Sent; no answer by the deadline. */
	| { readonly kind: 'timed_out'; readonly why: string }
	/** Sent; the answer broke off or can't be read. */
	| { readonly kind: 'broken'; readonly why: string }
	/** Answered, over the limit of bytes; the rest was not read. */
	| { readonly kind: 'too_large'; readonly why: string };

/** One request for one upstream, of any method; names and URIs are the upstream's own. */
export interface UpstreamCall {
	readonly upstream: string;
	/** The agent's session, which has an upstream session of its own. */
	readonly sessionId?: string;
	/** Whose call it is. Calls of no session share upstream sessions with nobody else's. */
	readonly principalId?: string;
	/** The agent's; an upstream of both is spoken to in it. */
	readonly era?: Era;
	/** The JSON-RPC request as it goes up; its id and its progress token are replaced on the way. */
	readonly message: JsonObject;
	/** Of the tool that is called, as it is listed: says which arguments are repeated in headers (2026-07-28). */
	readonly definition?: JsonObject;
	/** Until the answer is there; absent: as the upstream is configured. */
	readonly timeoutMs?: number;
	/** Of the answer as it came, in bytes. */
	readonly maxResultBytes?: number;
	readonly downstream: Downstream;
}

/** A call with every default filled in. */
export interface BoundCall extends UpstreamCall {
	readonly timeoutMs: number;
	readonly maxResultBytes: number;
}
