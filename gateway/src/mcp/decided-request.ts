import { randomUUID } from 'node:crypto';
import type { ArgumentProblem, Caller, DecidedRequest, Downstream, JsonObject, JsonValue } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import type { RelayedMethod } from '../relay-request.ts';
import { isObject } from '../json-object.ts';
import { type RpcRequest, withoutOwnMeta } from './message.ts';

/** What an upstream lists has no longer ones. */
const MAX_URI_CHARACTERS = 8_192;

interface Sender {
	readonly caller: Caller;
	readonly downstream: Downstream;
}

/**
 * A `tools/call` request as the call path takes it. The name is taken as it is: what is nearly a tool's name is no tool's name.
 * @throws {ToolGateError} INVALID_PARAMS
 */
export function readToolCall(request: RpcRequest, sender: Sender, unreadable?: ArgumentProblem): DecidedRequest {
	const { name, arguments: sent = {} } = request.params;
	if (!isObject(sent)) throw invalid('params.arguments is not an object');
	const args = unreadable === undefined ? sent : {};
	const params: JsonObject =
		unreadable === undefined ? withoutOwnMeta(request.params) : { name: textOf(name, 'params.name'), arguments: args };
	return {
		id: randomUUID(),
		...sender,
		name: textOf(name, 'params.name'),
		arguments: args,
		...(unreadable === undefined ? {} : { unreadable }),
		argumentsBytes: bytesOf(sent),
		message: { ...(unreadable === undefined ? request.message : { jsonrpc: '2.0', id: request.id, method: request.method }), params },
	};
}

/** Any other decided request. What a rule may look at beside the name stands in its arguments. @throws {ToolGateError} INVALID_PARAMS */
export function readRelayed(request: RpcRequest, sender: Sender): DecidedRequest {
	const { name, arguments: args } = READ[request.method as RelayedMethod](request.params);
	return {
		id: randomUUID(),
		...sender,
		name,
		arguments: args,
		argumentsBytes: bytesOf(args),
		message: { ...request.message, params: withoutOwnMeta(request.params) },
	};
}

const READ: Readonly<Record<RelayedMethod, (params: JsonObject) => { name: string; arguments: JsonObject }>> = {
	'resources/read': ({ uri }) => ({ name: uriOf(uri, 'params.uri'), arguments: {} }),
	'resources/subscribe': ({ uri }) => ({ name: uriOf(uri, 'params.uri'), arguments: {} }),
	'prompts/get': ({ name, arguments: args = {} }) => {
		if (!isObject(args)) throw invalid('params.arguments is not an object');
		return { name: textOf(name, 'params.name'), arguments: args };
	},
	'completion/complete': ({ ref, argument, context }) => {
		if (!isObject(ref) || (ref['type'] !== 'ref/prompt' && ref['type'] !== 'ref/resource'))
			throw invalid('params.ref is neither a ref/prompt nor a ref/resource');
		if (!isObject(argument)) throw invalid('params.argument is not an object');
		const name = ref['type'] === 'ref/prompt' ? textOf(ref['name'], 'params.ref.name') : uriOf(ref['uri'], 'params.ref.uri');
		return { name, arguments: { argument, ...(context === undefined ? {} : { context }) } };
	},
};

function textOf(value: JsonValue | undefined, what: string): string {
	if (typeof value !== 'string' || !value.isWellFormed()) throw invalid(`${what} is not a text`);
	return value;
}

export function uriOf(value: JsonValue | undefined, what: string): string {
	const uri = textOf(value, what);
	if (uri.length > MAX_URI_CHARACTERS) throw invalid(`${what} has more than ${MAX_URI_CHARACTERS} characters`);
	return uri;
}

const bytesOf = (value: JsonObject): number => Buffer.byteLength(JSON.stringify(value));

const invalid = (text: string): ToolGateError => new ToolGateError('INVALID_PARAMS', text);
