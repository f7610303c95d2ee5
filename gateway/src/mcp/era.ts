import type { IncomingHttpHeaders } from 'node:http';
import type { Era } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { isObject } from '../json-object.ts';
import type { RpcMessage } from './message.ts';
import { isModernRevision, META } from './modern/revision.ts';

/**
 * The body decides the era: the `_meta` of a modern request says so, everything else is legacy. A header that promises a modern request
 * where the body is none is told what is missing, never taken for legacy.
 * @throws {ToolGateError} HEADER_MISMATCH: an `initialize` under a modern header
 */
export function eraOf(message: RpcMessage, headers: IncomingHttpHeaders): Era {
	if (message.kind === 'response') return 'legacy';
	const meta = message.params['_meta'];
	if (isObject(meta) && META.protocolVersion in meta) return 'modern';
	if (!isModernHeader(headers)) return 'legacy';
	if (message.method === 'initialize')
		throw new ToolGateError('HEADER_MISMATCH', 'MCP-Protocol-Version names a revision without sessions, and the body begins one');
	return 'modern';
}

/** Whether `MCP-Protocol-Version` names a revision without sessions. */
export function isModernHeader(headers: IncomingHttpHeaders): boolean {
	const version = headers['mcp-protocol-version'];
	return typeof version === 'string' && isModernRevision(version);
}

/** Headers that repeat the body have to agree with it, also where none are needed. @throws {ToolGateError} INVALID_REQUEST */
export function demandAgreement(message: RpcMessage, headers: IncomingHttpHeaders): void {
	if (message.kind === 'response') return;
	const method = headers['mcp-method'];
	if (method !== undefined && method !== message.method)
		throw new ToolGateError('INVALID_REQUEST', 'Mcp-Method does not agree with the method in the body');
	const name = headers['mcp-name'];
	if (name !== undefined && name !== (message.params['name'] ?? message.params['uri'])) {
		throw new ToolGateError('INVALID_REQUEST', 'Mcp-Name does not agree with the name in the body');
	}
}
