/** The nouns of ToolGate as types. Imports nothing. Words of the trail are camelCase for verdicts and snake_case for faults. */

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
	[key: string]: JsonValue;
}

/** The two eras of MCP: `legacy` has sessions (up to 2025-11-25), `modern` is stateless (2026-07-28). */
export type Era = 'legacy' | 'modern';

/** Whom a call is for. `groups` come from the config's `people` and from verified claims, never from the agent. */
export interface Principal {
	readonly id: string;
	readonly kind: 'user' | 'service';
	readonly groups: readonly string[];
	readonly claims: JsonObject;
}

/** The model-driven client that makes the call. */
export interface Agent {
	readonly id: string;
	readonly name?: string;
	readonly version?: string;
}

export interface Session {
	/** Absent in the modern era, which has no sessions. */
	readonly id?: string;
	/** The agent's own grouping of calls (`X-Mcp-Turn-Id`). */
	readonly turn?: string;
	readonly era: Era;
}

export interface Caller {
	readonly principal: Principal;
	readonly agent: Agent;
	readonly session: Session;
}

/** One problem of a call's arguments against the tool's own schema; `pointer` is a JSON Pointer into the arguments. */
export interface ArgumentProblem {
	readonly pointer: string;
	readonly message: string;
}

/** What one upstream offers: a tool, a resource, a template of resources, or a prompt. */
export interface Capability {
	readonly upstream: string;
	/** A tool's own name. Of anything else what the trail, approvals and budgets call it, with the method: `resources/read file:///a`. */
	readonly name: string;
	/** What agents call it: the upstream's own name, or that with the upstream before it where there are several. */
	readonly listedName: string;
	/** The definition as the upstream sent it. */
	readonly definition: JsonObject;
	/** `sha256:<64 hex>` over the canonical JSON of the definition. */
	readonly digest: string;
	readonly pinned: boolean;
	/** Why it is held back; absent when it is not. */
	readonly quarantine?: string;
}

/** A tool as one upstream offers it. */
export interface Tool extends Capability {
	readonly kind?: undefined;
	/** First problem of the arguments against the tool's schema, or undefined. */
	validate(args: JsonObject): ArgumentProblem | undefined;
}

export type ItemKind = 'resource' | 'resourceTemplate' | 'prompt';

/** Anything but a tool. */
export interface Item extends Capability {
	readonly kind: ItemKind;
}

/** Where the messages that belong to one call go: the stream of the request that carried it. */
export interface Downstream {
	/** Relays a notification of the upstream (progress, logging) to the agent. Never throws. */
	notify(message: JsonObject): void;
	/** What the agent declared that it can be asked for (elicitation, sampling, roots); empty where nothing. */
	readonly clientCapabilities?: JsonObject;
	/**
	 * Sends a request of the upstream (elicitation, sampling, roots, ping) to the agent, on the stream of the call it belongs to. Absent where it can not be asked.
	 * Resolves with `{result}` or `{error}`; rejects when the agent is gone or `signal` fires.
	 */
	request?(message: JsonObject, signal: AbortSignal): Promise<JsonObject>;
	/** Aborted when the agent cancels the call (not when it merely disconnects, in the legacy era). */
	readonly cancelled: AbortSignal;
}

/** One request that is decided: a `tools/call`, or one for a resource, a prompt or a completion. The message's method says which. */
export interface DecidedRequest {
	/** UUID; joins every event of the request. */
	readonly id: string;
	readonly caller: Caller;
	/** The name or URI as the agent said it. */
	readonly name: string;
	/** What rules may look at beside the name; empty where the method has nothing of the kind. */
	readonly arguments: JsonObject;
	/** What could not be read exactly in the arguments (a number, a text); they are empty then, and the call is refused as `invalid_arguments`. */
	readonly unreadable?: ArgumentProblem;
	/** UTF-8 bytes of the arguments, serialised. */
	readonly argumentsBytes: number;
	/** The JSON-RPC request as judged. */
	readonly message: JsonObject;
	readonly downstream: Downstream;
	/** The session towards upstreams, where it isn't the caller's own. */
	readonly upstreamSession?: string;
	/** False: when a person has to approve, the agent is told so at once, and comes again. */
	readonly waits?: false;
}

/** One `tools/call`. */
export type ToolCall = DecidedRequest;

export const VERDICTS = ['deny', 'approvalRequired', 'budget', 'allow'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Reason {
	readonly rule: string;
	readonly message: string;
}

export interface ApprovalRequirement {
	readonly rule: string;
	/** Addresses or `group:<name>`; compared as a set. */
	readonly approvers: readonly string[];
	readonly quorum: number;
	readonly ttlSeconds: number;
}

export type BudgetDimension = 'principal' | 'agent' | 'session' | 'server' | 'tool' | `value:${string}`;
export type BudgetPeriod = 'turn' | 'session' | 'minute' | 'hour' | 'day' | 'month' | number;

/** What one budget rule asks of one call; `limit` and `cost` are integers from 0 to 2^53 − 1. */
export interface BudgetDemand {
	readonly rule: string;
	readonly by: readonly BudgetDimension[];
	readonly per: BudgetPeriod;
	readonly unit: string;
	readonly limit: number;
	readonly cost: number;
	readonly timezone?: string;
	readonly settle?: { readonly pointer: string };
	readonly message?: string;
}

export interface Redaction {
	readonly target: 'request' | 'result' | 'audit';
	readonly path: string;
	/** A named pattern; absent for the whole value. */
	readonly match?: string;
	readonly mode: 'mask' | 'remove' | 'hash';
}

/** What the policy answers for one call: version 1 of `policy/schemas/decision.json`. */
export interface DecisionDocument {
	readonly version: 1;
	readonly verdict: Verdict;
	readonly reasons: readonly Reason[];
	readonly approvals: readonly ApprovalRequirement[];
	readonly budgets: readonly BudgetDemand[];
	readonly redactions: readonly Redaction[];
	readonly limits: { readonly timeoutMs?: number; readonly maxResultBytes?: number };
}

/** A recorded act of judgement. */
export interface Decision {
	readonly id: string;
	/** Revision of the one bundle that decided. */
	readonly revision: string;
	readonly document: DecisionDocument;
}

/** A valid approval as the policy sees it in `input.approvals`: it releases the finding of the same rule and requirement. */
export interface Release {
	readonly rule: string;
	readonly requirement: { readonly approvers: readonly string[]; readonly quorum: number };
	readonly argumentsDigest: string;
	readonly approvers: readonly string[];
	readonly expiresAtMs: number;
}

export const DECISION_WORDS = ['allow', 'deny', 'approvalRequired', 'budgetExceeded'] as const;
export type DecisionWord = (typeof DECISION_WORDS)[number];

export const APPROVAL_WORDS = ['approved', 'rejected', 'expired', 'withdrawn'] as const;
export type ApprovalWord = (typeof APPROVAL_WORDS)[number];

export const OUTCOME_WORDS = ['ok', 'withheld', 'tool_error', 'upstream_error', 'upstream_timeout', 'outcome_unknown', 'replayed'] as const;
export type OutcomeWord = (typeof OUTCOME_WORDS)[number];

export const REFUSAL_WORDS = [
	'unknown_tool',
	'unknown_resource',
	'unknown_prompt',
	'invalid_arguments',
	'quarantined',
	'approval_pending',
	'policy_error',
	'audit_unavailable',
	'overloaded',
] as const;
export type RefusalWord = (typeof REFUSAL_WORDS)[number];

export type TrailWord = DecisionWord | ApprovalWord | OutcomeWord | RefusalWord;

/** The payload of a JSON-RPC response. */
export type Answer = { readonly result: JsonObject } | { readonly error: JsonObject };

/** How a call ended, before it is encoded for an era. */
export type Outcome =
	/** The upstream's own answer (`result` or `error` of JSON-RPC), after result rules. */
	| {
			readonly kind: 'answered';
			readonly word: 'ok' | 'tool_error' | 'replayed';
			readonly answer: Answer;
			readonly decisionId?: string;
	  }
	/** ToolGate's own answer: one sentence that says what happened and whether to try again. */
	| ({ readonly kind: 'refused'; readonly word: TrailWord } & Refusal);

export interface Refusal {
	readonly text: string;
	readonly decisionId?: string;
	readonly rule?: string;
	readonly retryAfterMs?: number;
	readonly approvalUrl?: string;
	/** What the upstream would have to be able to ask the agent, as a client declares it. */
	readonly requiredCapabilities?: JsonObject;
}

export const EVENT_KINDS = [
	'decision', // a first decision that waits: approvalRequired
	'refusal', // a call that ended before the upstream heard of it
	'intent', // written before the upstream hears of the call
	'outcome', // what came of an intent
	'approval', // a transition of an approval
	'activation', // a bundle became active, or was refused
	'operator', // an act of an operator: tokens, resets, resolves
	'gap', // the trail could not be written for a while
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** One event of the audit trail: its body, as it is hashed. Absent fields are absent, never null. */
export interface TrailEvent {
	readonly version: 1;
	readonly id: string;
	readonly kind: EventKind;
	/** Milliseconds on the database's clock, as this process knows it. */
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
	/** The tool's own name; of other requests the method and what it is for, `resources/read file:///a`. */
	readonly tool?: string;
	/** The first word of the trace. */
	readonly decision?: DecisionWord;
	/** What followed. */
	readonly outcome?: TrailWord;
	/** The rule that led. */
	readonly rule?: string;
	readonly message?: string;
	/** Revision of the bundle that decided. */
	readonly revision?: string;
	/** The policy input as recorded: arguments in their recorded form, or only their digest and size. */
	readonly input?: JsonObject;
	/** What belongs to one kind only: reservations, approvers, result shape, durations. */
	readonly detail?: JsonObject;
}

/** What one call takes from one budget window. */
export interface BudgetCharge {
	/** Rule, unit, dimensions and window: two charges with one key are one budget. */
	readonly key: string;
	readonly rule: string;
	readonly unit: string;
	readonly limit: number;
	readonly cost: number;
	readonly windowEndMs: number;
	/** True for attempts: spent once the intent is written, also when the connection fails. */
	readonly isAttempt: boolean;
	/** JSON Pointer into the result object where the true cost stands. */
	readonly settlePointer?: string;
	readonly message?: string;
}
