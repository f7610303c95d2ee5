import type { JsonObject, JsonValue } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { isObject } from '../json-object.ts';

/** One JSON-RPC 2.0 message per body, told apart by its members. */

export type RequestId = string | number;

export interface RpcRequest {
	readonly kind: 'request';
	readonly id: RequestId;
	readonly method: string;
	readonly params: JsonObject;
	/** The message as it was read; what is forwarded is this object. */
	readonly message: JsonObject;
}

export interface RpcNotification {
	readonly kind: 'notification';
	readonly method: string;
	readonly params: JsonObject;
}

export interface RpcResponse {
	readonly kind: 'response';
	readonly id: RequestId;
	readonly message: JsonObject;
}

export type RpcMessage = RpcRequest | RpcNotification | RpcResponse;

const ENVELOPE_KEYS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);
const PARAMS_KEYS: ReadonlySet<string> = new Set(['name', 'arguments', 'uri', 'cursor', '_meta']);

/** @throws {ToolGateError} INVALID_REQUEST says what is wrong with the body. */
export function readMessage(value: JsonValue): RpcMessage {
	if (Array.isArray(value)) throw invalid('a batch is not accepted: send one message per request');
	if (value === null || typeof value !== 'object') throw invalid('it is not an object');
	refuseCaseVariants(value, ENVELOPE_KEYS);
	if (value['jsonrpc'] !== '2.0') throw invalid('jsonrpc is not "2.0"');
	const { method, params = {} } = value;
	const hasId = 'id' in value;
	if (method === undefined) return readResponse(value);
	if (typeof method !== 'string') throw invalid('method is not a text');
	if ('result' in value || 'error' in value) throw invalid('a message with method has no result or error');
	if (!isObject(params)) throw invalid('params is not an object');
	refuseCaseVariants(params, PARAMS_KEYS);
	if (!hasId) return { kind: 'notification', method, params };
	return { kind: 'request', id: readId(value['id']), method, params, message: value };
}

function readResponse(value: JsonObject): RpcResponse {
	if ('result' in value === 'error' in value) throw invalid('there is no method, and not exactly one of result and error');
	return { kind: 'response', id: readId(value['id']), message: value };
}

function readId(id: JsonValue | undefined): RequestId {
	if (typeof id === 'string' && id.isWellFormed()) return id;
	if (typeof id === 'number' && Number.isSafeInteger(id)) return id;
	throw invalid('id is not a text or a whole number');
}

/** Some JSON readers ignore case, also beyond ASCII (`paramſ`): a key that one of them takes for a protocol key is refused. */
function refuseCaseVariants(holder: JsonObject, protocolKeys: ReadonlySet<string>): void {
	for (const key in holder) {
		if (protocolKeys.has(key)) continue;
		const folded = key.toUpperCase().toLowerCase();
		if (protocolKeys.has(folded)) throw invalid(`the key ${JSON.stringify(key)} is too like ${folded}`);
	}
}

const invalid = (text: string): ToolGateError => new ToolGateError('INVALID_REQUEST', `the body is not one JSON-RPC 2.0 message: ${text}`);

/** Keys of `_meta` under this prefix are the gateway's own words: taken out of what agents and upstreams send. */
export const OWN_META_PREFIX = 'dev.toolgate/';

/** The same object when its `_meta` holds none of our keys, else a copy without them. */
export function withoutOwnMeta(holder: JsonObject): JsonObject {
	const meta = holder['_meta'];
	if (!isObject(meta)) return holder;
	const foreign = Object.entries(meta).filter(([key]) => !key.toLowerCase().startsWith(OWN_META_PREFIX));
	return foreign.length === Object.keys(meta).length ? holder : { ...holder, _meta: Object.fromEntries(foreign) };
}

export const rpcResult = (id: RequestId, result: JsonObject): JsonObject => ({ jsonrpc: '2.0', id, result });

export const rpcError = (id: RequestId, code: number, message: string): JsonObject => ({ jsonrpc: '2.0', id, error: { code, message } });
