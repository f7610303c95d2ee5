import type { IncomingHttpHeaders } from 'node:http';
import type { Era } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { isObject } from '../json-object.ts';
import type { RpcMessage } from './message.ts';

const MODERN_META = 'io.modelcontextprotocol/protocolVersion';

/** The body decides the era: `_meta` of a modern request says so, everything else is legacy. */
export function eraOf(message: RpcMessage): Era {
	if (message.kind === 'response' || message.method === 'initialize') return 'legacy';
	const meta = message.params['_meta'];
	return isObject(meta) && MODERN_META in meta ? 'modern' : 'legacy';
}

/** Headers that repeat the body have to agree with it. @throws {ToolGateError} INVALID_REQUEST */
export function demandAgreement(message: RpcMessage, headers: IncomingHttpHeaders): void {
	if (message.kind === 'response') return;
	const method = headers['mcp-method'];
	if (method !== undefined && method !== message.method) throw new ToolGateError('INVALID_REQUEST', 'Mcp-Method does not agree with the method in the body');
	const name = headers['mcp-name'];
	if (name !== undefined && name !== (message.params['name'] ?? message.params['uri'])) {
		throw new ToolGateError('INVALID_REQUEST', 'Mcp-Name does not agree with the name in the body');
	}
}
