/**
 * The catalogue of errors. Two families: protocol errors (HTTP status and JSON-RPC code) and problems of starting and configuring.
 * Words of refused calls stand in `domain.ts`; their sentences in `refusals.ts`.
 */

import type { JsonObject } from './domain.ts';

export interface CatalogueEntry {
	/** The stable code. */
	readonly code: string;
	/** What it means, one sentence. */
	readonly says: string;
	readonly httpStatus: number;
	/** JSON-RPC code where the error is answered as one. */
	readonly rpcCode?: number;
	readonly isRetryable: boolean;
}

const entry = (code: string, says: string, httpStatus: number, rpcCode?: number, isRetryable = false): CatalogueEntry => ({
	code,
	says,
	httpStatus,
	...(rpcCode === undefined ? {} : { rpcCode }),
	isRetryable,
});

export const catalogue = {
	PARSE_ERROR: entry('PARSE_ERROR', 'the body is not JSON in UTF-8', 400, -32700),
	INVALID_REQUEST: entry('INVALID_REQUEST', 'the body is not one JSON-RPC 2.0 message', 400, -32600),
	UNKNOWN_METHOD: entry('UNKNOWN_METHOD', 'the method is not known here', 200, -32601),
	UNKNOWN_TOOL: entry('UNKNOWN_TOOL', 'no such tool, or not for this principal', 200, -32602),
	INVALID_PARAMS: entry('INVALID_PARAMS', 'the parameters do not fit the method', 200, -32602),
	UPSTREAM_UNAVAILABLE: entry('UPSTREAM_UNAVAILABLE', 'the upstream is down and nothing is cached', 200, -32603, true),
	INTERNAL: entry('INTERNAL', 'ToolGate failed; the log has the cause', 500, -32603, true),
	SESSION_REQUIRED: entry('SESSION_REQUIRED', 'Mcp-Session-Id is missing', 400, -32600),
	SESSION_UNKNOWN: entry('SESSION_UNKNOWN', 'the session has ended or never was; initialize again', 404, -32001),
	PROTOCOL_VERSION: entry('PROTOCOL_VERSION', 'MCP-Protocol-Version is not supported', 400, -32600),
	INVALID_ENVELOPE: entry(
		'INVALID_ENVELOPE',
		'a request of the modern era does not say in params._meta who asks, and in which revision',
		400,
		-32602,
	),
	HEADER_MISMATCH: entry('HEADER_MISMATCH', 'a header that repeats the body is missing or says something else', 400, -32020),
	CLIENT_CAPABILITY: entry('CLIENT_CAPABILITY', 'the upstream has to be able to ask for what the client did not declare', 400, -32021),
	UNSUPPORTED_REVISION: entry('UNSUPPORTED_REVISION', 'the revision in params._meta is not spoken here', 400, -32022),
	TOO_MANY_STREAMS: entry('TOO_MANY_STREAMS', 'too many streams of this principal are open', 200, -32603, true),
	DUPLICATE_HEADER: entry('DUPLICATE_HEADER', 'a header that must be single was sent twice', 400, -32600),
	UNAUTHENTICATED: entry('UNAUTHENTICATED', 'no valid token', 401, -32600),
	FORBIDDEN_HOST: entry('FORBIDDEN_HOST', 'Host or Origin is not allowed', 403, -32600),
	CSRF_TOKEN: entry('CSRF_TOKEN', 'a write of a signed-in person lacks the token of the session', 403),
	FORBIDDEN_PERSON: entry('FORBIDDEN_PERSON', 'this person may not do that', 403),
	FORBIDDEN_APPROVER: entry('FORBIDDEN_APPROVER', 'this person may not decide this approval', 403),
	NOT_FOUND: entry('NOT_FOUND', 'nothing is here', 404),
	METHOD_NOT_ALLOWED: entry('METHOD_NOT_ALLOWED', 'the HTTP method is not allowed here', 405, -32600),
	CONFLICT: entry('CONFLICT', 'the state of the thing does not allow it', 409),
	BODY_TOO_LARGE: entry('BODY_TOO_LARGE', 'the body is over the limit', 413, -32600),
	CONTENT_TYPE: entry('CONTENT_TYPE', 'Content-Type must be application/json', 415, -32600),
	BAD_INPUT: entry('BAD_INPUT', 'a field is missing, unknown or of the wrong type', 400),
	TOO_MANY: entry('TOO_MANY', 'too many requests', 429, -32600, true),
	STORE_UNAVAILABLE: entry('STORE_UNAVAILABLE', 'the database can not be reached', 503, undefined, true),
	CONFIG: entry('CONFIG', 'the configuration is wrong', 500),
	UNSAFE_BIND: entry('UNSAFE_BIND', 'binding wider than loopback needs authentication', 500),
	PORT_IN_USE: entry('PORT_IN_USE', 'the port is taken', 500),
	DATA_FOLDER_IN_USE: entry('DATA_FOLDER_IN_USE', 'another process owns the data folder', 500),
	DATABASE_NEWER: entry('DATABASE_NEWER', 'the database was made by a newer ToolGate', 500),
	BUNDLE: entry('BUNDLE', 'the policy bundle was refused', 500),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/** An error with two texts: `message` may be shown to whoever caused it, `cause` goes to the log only. */
export class ToolGateError extends Error {
	override readonly name = 'ToolGateError';
	readonly code: ErrorCode;
	/** `data` of the JSON-RPC error, where it has one. */
	readonly data: JsonObject | undefined;
	constructor(code: ErrorCode, message: string, options: ErrorOptions & { readonly data?: JsonObject } = {}) {
		super(message, options);
		this.code = code;
		this.data = options.data;
	}
	get entry(): CatalogueEntry {
		return catalogue[this.code];
	}
}

/** The policy could not decide: it threw, ran out of fuel, answered nonsense, or there is none. The call is denied as `policy_error`. */
export class PolicyError extends Error {
	override readonly name = 'PolicyError';
}

/** Too much is waiting already; nothing was done. The call is refused as `overloaded`. */
export class Overloaded extends Error {
	override readonly name = 'Overloaded';
}
