import type { FastifyReply } from 'fastify';
import { type ErrorCode, ToolGateError } from '../errors.ts';
import { StoreUnavailable } from '../store/sql.ts';
import { StrictJsonError } from '../strict-json.ts';

/** What fastify itself refuses, in our words. */
const FASTIFY_ERRORS: Readonly<Record<string, ErrorCode>> = {
	FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
	FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CONTENT_TYPE',
	FST_ERR_CTP_EMPTY_JSON_BODY: 'BAD_INPUT',
	FST_ERR_CTP_INVALID_JSON_BODY: 'BAD_INPUT',
	FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_REQUEST',
	FST_ERR_BAD_URL: 'NOT_FOUND',
	FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
};

const RETRY_AFTER_SECONDS = 1;
/** A refused request's body is read to its end, so that its connection can be used again, only up to this size. */
const MAX_DRAINED_BYTES = 16 * 1024 * 1024;

/** Any throw as an error of the catalogue. What nobody expected becomes INTERNAL; its text stays in `cause`. */
export function asToolGateError(error: unknown): ToolGateError {
	if (error instanceof ToolGateError) return error;
	if (error instanceof StrictJsonError) {
		const code = error.code === 'malformed' || error.code === 'invalid_utf8' ? 'PARSE_ERROR' : 'INVALID_REQUEST';
		return new ToolGateError(code, `the body was refused: ${error.message}`, { cause: error });
	}
	if (error instanceof StoreUnavailable)
		return new ToolGateError('STORE_UNAVAILABLE', 'the database can not be reached; try again in a moment', { cause: error });
	const code = FASTIFY_ERRORS[(error as { code?: string } | null)?.code ?? ''];
	if (code !== undefined) return new ToolGateError(code, (error as Error).message, { cause: error });
	return new ToolGateError('INTERNAL', 'ToolGate failed; its log has the cause', { cause: error });
}

/**
 * The one place where a throw becomes an HTTP answer: `{error: {code, message}}`, or a JSON-RPC error where the request was one.
 * `onFault` hears of what nobody expected.
 */
export function answerError(
	thrown: unknown,
	reply: FastifyReply,
	onFault: (error: unknown) => void,
	shape: 'plain' | 'rpc' = 'plain',
): FastifyReply {
	const error = asToolGateError(thrown);
	const { entry } = error;
	if (error.code === 'INTERNAL') onFault(error.cause ?? error);
	if (entry.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer realm="toolgate"');
	if (entry.isRetryable && entry.httpStatus >= 400) void reply.header('retry-after', RETRY_AFTER_SECONDS);
	if (hasEndlessBody(reply)) void reply.header('connection', 'close');
	const body =
		shape === 'rpc'
			? { jsonrpc: '2.0', id: null, error: { code: entry.rpcCode ?? -32603, message: error.message } }
			: { error: { code: entry.code, message: error.message } };
	return reply.code(entry.httpStatus).type('application/json').send(JSON.stringify(body));
}

/** Whether the request was refused before a body was read that is large, or of unknown size. */
function hasEndlessBody({ request: { raw, headers } }: FastifyReply): boolean {
	return !raw.complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > MAX_DRAINED_BYTES);
}
