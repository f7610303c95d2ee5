import { randomUUID } from 'node:crypto';
import type { ArgumentProblem, Caller, Downstream, JsonObject, ToolCall } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { isObject, type RpcRequest, withoutOwnMeta } from './message.ts';

/**
 * A `tools/call` request as the call path takes it. The name is taken as it is: what is nearly a tool's name is no tool's name.
 * @throws {ToolGateError} INVALID_PARAMS
 */
export function readToolCall(request: RpcRequest, caller: Caller, downstream: Downstream, unreadable?: ArgumentProblem): ToolCall {
	const { name, arguments: sent = {} } = request.params;
	if (typeof name !== 'string' || !name.isWellFormed()) throw new ToolGateError('INVALID_PARAMS', 'params.name is not a text');
	if (!isObject(sent)) throw new ToolGateError('INVALID_PARAMS', 'params.arguments is not an object');
	const args = unreadable === undefined ? sent : {};
	const params: JsonObject = unreadable === undefined ? withoutOwnMeta(request.params) : { name, arguments: args };
	return {
		id: randomUUID(),
		caller,
		name,
		arguments: args,
		...(unreadable === undefined ? {} : { unreadable }),
		argumentsBytes: Buffer.byteLength(JSON.stringify(sent)),
		message: { ...(unreadable === undefined ? request.message : { jsonrpc: '2.0', id: request.id, method: request.method }), params },
		downstream,
	};
}
