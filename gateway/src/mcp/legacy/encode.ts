import type { JsonObject, Outcome } from '../../domain.ts';
import { type RequestId, rpcError, rpcResult, withoutOwnMeta } from '../message.ts';

/** How a call's end looks to a legacy agent. */

const DECISION_META = 'dev.toolgate/decision';
const INVALID_PARAMS = -32602;

export function encodeOutcome(id: RequestId, outcome: Outcome): JsonObject {
	if (outcome.kind === 'refused') return encodeRefusal(id, outcome);
	const { answer, word, decisionId } = outcome;
	if ('error' in answer) return { jsonrpc: '2.0', id, error: answer.error };
	const result = withoutOwnMeta(answer.result);
	if (word !== 'replayed') return rpcResult(id, result);
	// The answer is the upstream's, but it came from an earlier call: the agent should know that nothing ran again.
	const meta = { ...(result['_meta'] as JsonObject | undefined), [DECISION_META]: { outcome: word, ...(decisionId === undefined ? {} : { decisionId }) } };
	return rpcResult(id, { ...result, _meta: meta });
}

/**
 * A refusal is a result that the model reads: both SDK clients take a 4xx for a dead connection, and refuse a result without
 * `structuredContent` where the tool promises one, unless `isError` says why.
 */
function encodeRefusal(id: RequestId, outcome: Extract<Outcome, { kind: 'refused' }>): JsonObject {
	// Unknown and hidden tools answer alike.
	if (outcome.word === 'unknown_tool') return rpcError(id, INVALID_PARAMS, outcome.text);
	const { word, text, decisionId, rule, retryAfterMs, approvalUrl } = outcome;
	const decision: JsonObject = { outcome: word };
	if (decisionId !== undefined) decision['decisionId'] = decisionId;
	if (rule !== undefined) decision['rule'] = rule;
	if (retryAfterMs !== undefined) decision['retryAfterMs'] = retryAfterMs;
	if (approvalUrl !== undefined) decision['approvalUrl'] = approvalUrl;
	return rpcResult(id, { content: [{ type: 'text', text }], isError: true, _meta: { [DECISION_META]: decision } });
}
