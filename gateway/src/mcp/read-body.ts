import type { ArgumentProblem } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { parseStrict, StrictJsonError } from '../strict-json.ts';
import { readMessage, type RpcMessage } from './message.ts';

/** Of all objects in one message from an agent: reading more takes longer than anyone else should wait. */
const MAX_MEMBERS = 20_000;
const ARGUMENTS = '/params/arguments/';

export interface Body {
	readonly message: RpcMessage;
	/** A number or text within the arguments that can't be kept exactly: the message is good for a refusal only. */
	readonly unreadable?: ArgumentProblem;
}

/** @throws {StrictJsonError} not JSON, or ambiguous; {ToolGateError} INVALID_REQUEST: not one JSON-RPC message. */
export function readBody(bytes: Uint8Array, maxDepth: number): Body {
	try {
		return { message: readMessage(parseStrict(bytes, { maxDepth, maxMembers: MAX_MEMBERS })) };
	} catch (error) {
		if (!(error instanceof StrictJsonError) || error.inexactValue === undefined || !error.pointer.startsWith(ARGUMENTS)) throw error;
		const message = readMessage(error.inexactValue);
		if (message.kind !== 'request' || message.method !== 'tools/call')
			throw new ToolGateError('INVALID_REQUEST', error.message, { cause: error });
		return { message, unreadable: { pointer: error.pointer.slice(ARGUMENTS.length - 1), message: error.says } };
	}
}
