import type { JsonObject } from '../../domain.ts';
import { isObject } from '../../json-object.ts';
import { version } from '../../version.ts';
import { type RequestId, rpcResult } from '../message.ts';
import { META } from './revision.ts';

/** What this era adds to results and errors, whichever era they came from. */

/** What one caller was shown is for nobody else, and rules and pins change: nobody keeps it for long. */
const MAX_TTL_MS = 30_000;
const CACHEABLE: ReadonlySet<string> = new Set([
	'tools/list',
	'resources/list',
	'resources/templates/list',
	'prompts/list',
	'resources/read',
	'server/discover',
]);
const LISTS_OF_OURS_TTL_MS = MAX_TTL_MS;

const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const RESOURCE_NOT_FOUND = -32002;
const MISSING_CLIENT_CAPABILITY = -32021;
const URL_ELICITATION_REQUIRED = -32042;

/** A JSON-RPC response as an agent of this era reads it. */
export function toModern(id: RequestId, method: string, response: JsonObject): JsonObject {
	const { result, error } = response;
	if (isObject(result)) return rpcResult(id, modernResult(method, result));
	return isObject(error) ? modernError(id, method, error) : response;
}

function modernResult(method: string, result: JsonObject): JsonObject {
	const resultType = typeof result['resultType'] === 'string' ? result['resultType'] : 'complete';
	const meta = isObject(result['_meta']) ? result['_meta'] : {};
	return {
		...result,
		resultType,
		...(resultType === 'complete' && CACHEABLE.has(method) ? { ttlMs: ttlOf(method, result['ttlMs']), cacheScope: 'private' } : {}),
		_meta: META.serverInfo in meta ? meta : { ...meta, [META.serverInfo]: { name: 'toolgate', version } },
	};
}

/** Lists are the gateway's own. What an upstream says of a resource counts, but for too long a time; one that says nothing promises nothing. */
function ttlOf(method: string, said: unknown): number {
	if (method !== 'resources/read') return LISTS_OF_OURS_TTL_MS;
	return typeof said === 'number' && Number.isInteger(said) && said >= 0 ? Math.min(said, MAX_TTL_MS) : 0;
}

function modernError(id: RequestId, method: string, error: JsonObject): JsonObject {
	const answer = (changed: JsonObject): JsonObject => ({ jsonrpc: '2.0', id, error: changed });
	const says = String(error['message']);
	switch (error['code']) {
		case RESOURCE_NOT_FOUND:
			return answer({ ...error, code: INVALID_PARAMS });
		// Not of this era any more: the way to say it here would be a result that asks.
		case URL_ELICITATION_REQUIRED: {
			const text = `The server asks that a person opens a page first, in a way that this revision of MCP does not have: ${says}`;
			if (method !== 'tools/call') return answer({ code: INTERNAL_ERROR, message: text });
			return rpcResult(id, modernResult(method, { content: [{ type: 'text', text }], isError: true }));
		}
		// It speaks of what the gateway declared to the upstream, not of this agent.
		case MISSING_CLIENT_CAPABILITY:
			return answer({ code: INTERNAL_ERROR, message: `The server needs a client that can be asked for more than it was told of: ${says}` });
		default:
			return answer(error);
	}
}
