import type { JsonObject, JsonValue } from './domain.ts';
import { isObject } from './json-object.ts';
import { SERVER_REQUESTS, type ServerRequest } from './upstreams/server-requests.ts';
import type { UpstreamAnswer, UpstreamCall } from './upstreams/upstream-call.ts';

/** Results that ask the agent for something before there is one (2026-07-28, "Multi Round-Trip Requests"). */

const INTERNAL_ERROR = -32603;
const KIND_OF: Readonly<Record<string, ServerRequest>> = {
	'elicitation/create': 'elicitation',
	'sampling/createMessage': 'sampling',
	'roots/list': 'roots',
};

/**
 * The answer itself, unless it asks for what this agent can't be asked, or this upstream may not ask: then one that says so, because nobody
 * would ever answer it.
 */
export function answerable(
	answer: UpstreamAnswer,
	{ message, upstream, era, downstream }: UpstreamCall,
	allowed: readonly ServerRequest[],
): UpstreamAnswer {
	if (answer.kind !== 'answered') return answer;
	const { result } = answer.message;
	if (!isObject(result) || result['resultType'] !== 'input_required') return answer;
	const why =
		era === 'modern'
			? whyNot(result['inputRequests'], downstream.clientCapabilities ?? {}, allowed)
			: 'an agent of a session can not be asked by it';
	if (why === undefined) return answer;
	const text = `The server ${upstream} has to ask something before it can answer, and ${why}. Nothing came of the request; don't retry.`;
	const payload: JsonObject =
		message['method'] === 'tools/call'
			? { result: { content: [{ type: 'text', text }], isError: true } }
			: { error: { code: INTERNAL_ERROR, message: text } };
	return { ...answer, message: { jsonrpc: '2.0', id: 0, ...payload } };
}

function whyNot(requests: JsonValue | undefined, declared: JsonObject, allowed: readonly ServerRequest[]): string | undefined {
	if (requests !== undefined && !isObject(requests)) return 'what it asks can not be read';
	for (const one of Object.values(requests ?? {})) {
		const method = isObject(one) ? String(one['method']) : '';
		const kind = Object.hasOwn(KIND_OF, method) ? (KIND_OF[method] as ServerRequest) : undefined;
		if (kind === undefined) return `it may ask for ${SERVER_REQUESTS.join(', ')} only`;
		if (!allowed.includes(kind)) return `serverRequests of this upstream does not list ${kind}`;
		if (!isObject(declared[kind])) return `the agent did not declare ${kind}`;
	}
	return undefined;
}
