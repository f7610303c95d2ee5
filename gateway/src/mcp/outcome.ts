import type { JsonObject, Outcome } from '../domain.ts';
import { type RequestId, rpcError, rpcResult, withoutOwnMeta } from './message.ts';

/** How the end of a decided request looks to an agent. */

const DECISION_META = 'dev.toolgate/decision';
const INVALID_PARAMS = -32602;
const RESOURCE_NOT_FOUND = -32002;
const INTERNAL_ERROR = -32603;
/** Refused by policy, where there is no result that could say so. Outside of the range that JSON-RPC reserves. */
const REFUSED = 1403;

type Refused = Extract<Outcome, { kind: 'refused' }>;

/**
 * The end of a `tools/call`. A refusal is a result that the model reads: both SDK clients take a 4xx for a dead connection, and refuse a
 * result without `structuredContent` where the tool promises one, unless `isError` says why.
 */
export function encodeCall(id: RequestId, outcome: Outcome): JsonObject {
	if (outcome.kind === 'answered') return encodeAnswer(id, outcome);
	// Unknown and hidden tools answer alike.
	if (outcome.word === 'unknown_tool') return rpcError(id, INVALID_PARAMS, outcome.text);
	return rpcResult(id, { content: [{ type: 'text', text: outcome.text }], isError: true, _meta: { [DECISION_META]: decisionOf(outcome) } });
}

/** The end of any other decided request: it has no result in which a refusal could be said. @param name as the agent said it */
export function encodeRelayed(id: RequestId, outcome: Outcome, name: string): JsonObject {
	return outcome.kind === 'answered' ? encodeAnswer(id, outcome) : { jsonrpc: '2.0', id, error: refusalError(outcome, name) };
}

function refusalError(outcome: Refused, name: string): JsonObject {
	const { word, text } = outcome;
	switch (word) {
		// Unknown and hidden ones answer alike: nothing of a decision is said.
		case 'unknown_resource':
			return { code: RESOURCE_NOT_FOUND, message: text, data: { uri: name } };
		case 'unknown_prompt':
			return { code: INVALID_PARAMS, message: text };
		case 'invalid_arguments':
			return { code: INVALID_PARAMS, message: text, data: decisionOf(outcome) };
		case 'upstream_error':
		case 'upstream_timeout':
		case 'outcome_unknown':
			return { code: INTERNAL_ERROR, message: text, data: decisionOf(outcome) };
		default:
			return { code: REFUSED, message: text, data: decisionOf(outcome) };
	}
}

function encodeAnswer(id: RequestId, { answer, word, decisionId }: Extract<Outcome, { kind: 'answered' }>): JsonObject {
	if ('error' in answer) return { jsonrpc: '2.0', id, error: answer.error };
	const result = withoutOwnMeta(answer.result);
	if (word !== 'replayed') return rpcResult(id, result);
	// The answer is the upstream's, but it came from an earlier call: the agent should know that nothing ran again.
	const meta = {
		...(result['_meta'] as JsonObject | undefined),
		[DECISION_META]: { outcome: word, ...(decisionId === undefined ? {} : { decisionId }) },
	};
	return rpcResult(id, { ...result, _meta: meta });
}

function decisionOf({ word, decisionId, rule, retryAfterMs, approvalUrl }: Refused): JsonObject {
	return {
		outcome: word,
		...(decisionId === undefined ? {} : { decisionId }),
		...(rule === undefined ? {} : { rule }),
		...(retryAfterMs === undefined ? {} : { retryAfterMs }),
		...(approvalUrl === undefined ? {} : { approvalUrl }),
	};
}
