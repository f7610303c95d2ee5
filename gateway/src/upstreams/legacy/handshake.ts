import type { JsonObject } from '../../domain.ts';
import { AnswerReader } from '../answer-reader.ts';
import type { Deadline } from '../deadline.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange } from '../http/exchange.ts';
import { StatusReader } from '../http/status-reader.ts';
import { stripOurMeta } from '../messages.ts';

/** Revisions of the legacy era that the gateway speaks towards upstreams; the first one is offered. */
export const REVISIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

/** An upstream session after `initialize`. */
export interface Opened {
	readonly sessionId: string | undefined;
	/** Of every request in this session. */
	readonly headers: readonly string[];
	readonly result: JsonObject;
}

export interface NotOpened {
	readonly why: string;
}

const MAX_HANDSHAKE_BYTES = 1_048_576;

/**
 * `initialize`, version negotiation and `notifications/initialized` (Lifecycle, "Initialization"). The revision is this side's alone: what
 * agent and gateway agreed on plays no part.
 */
export async function handshake(endpoint: Endpoint, params: JsonObject, id: number, deadline: Deadline): Promise<Opened | NotOpened> {
	const { dispatcher, path } = endpoint;
	const headers = [...endpoint.headers];
	const reader = new AnswerReader(id, MAX_HANDSHAKE_BYTES, () => {});
	const body = JSON.stringify(
		stripOurMeta({ jsonrpc: '2.0', id, method: 'initialize', params: { ...params, protocolVersion: REVISIONS[0] } }),
	);
	const end = await exchange(dispatcher, { path, method: 'POST', headers, body, deadline }, reader);
	if (end.kind === 'failed') return { why: end.why };
	if (end.kind === 'refused') return declined(`it refused initialize with HTTP ${end.status}`);
	if (end.kind === 'paused') return declined('its stream ended before it answered initialize');
	if (end.kind !== 'answered') return declined(`its answer to initialize is no good: ${end.why}`);
	const { result, error } = stripOurMeta(end.message) as { result?: JsonObject; error?: JsonObject };
	if (result === undefined) return declined(`it refused initialize: ${String(error?.['message']).slice(0, 200)}`);
	const revision = result['protocolVersion'];
	if (!REVISIONS.some((known) => known === revision))
		return declined(`it speaks MCP ${String(revision).slice(0, 40)}, which the gateway does not`);
	const { sessionId } = reader;
	if (sessionId !== undefined && !/^[\x21-\x7e]{1,1024}$/.test(sessionId)) return declined('its session id is not visible ASCII');

	headers.push('mcp-protocol-version', revision as string);
	if (sessionId !== undefined) headers.push('mcp-session-id', sessionId);
	const initialized = await exchange(
		dispatcher,
		{
			path,
			method: 'POST',
			headers,
			body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
			deadline,
		},
		new StatusReader(),
	);
	if (initialized.kind === 'failed') return { why: initialized.why };
	if (initialized.status > 299) return declined(`it refused notifications/initialized with HTTP ${initialized.status}`);
	return { sessionId, headers, result };
}

const declined = (why: string): NotOpened => ({ why });
