import type { IncomingHttpHeaders } from 'node:http';
import { ToolGateError } from '../errors.ts';

const MAX_TURN_CHARACTERS = 200;

/** The agent's own grouping of calls, `X-Mcp-Turn-Id`. @throws {ToolGateError} INVALID_REQUEST */
export function readTurn(headers: IncomingHttpHeaders): string | undefined {
	const turn = headers['x-mcp-turn-id'];
	if (turn === undefined) return undefined;
	if (typeof turn !== 'string' || !/^[\x21-\x7e]+$/.test(turn) || turn.length > MAX_TURN_CHARACTERS) {
		throw new ToolGateError(
			'INVALID_REQUEST',
			`X-Mcp-Turn-Id has to be 1 to ${MAX_TURN_CHARACTERS} visible ASCII characters without spaces`,
		);
	}
	return turn;
}
