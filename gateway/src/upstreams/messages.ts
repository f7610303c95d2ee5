import type { JsonObject } from '../domain.ts';
import { parseStrict, StrictJsonError } from '../strict-json.ts';

/** One JSON-RPC message of an upstream, told apart. */
export type Incoming =
	| { readonly kind: 'response'; readonly id: number | string; readonly message: JsonObject }
	| { readonly kind: 'request'; readonly id: number | string; readonly method: string; readonly message: JsonObject }
	| { readonly kind: 'notification'; readonly method: string; readonly message: JsonObject }
	/** A refusal of the transport: an error that answers no request. */
	| { readonly kind: 'error'; readonly message: JsonObject }
	| { readonly kind: 'unreadable'; readonly why: string };

const unreadable = (why: string): Incoming => ({ kind: 'unreadable', why });

/** Reads one message as strictly as an agent's: what could be read in two ways is not read at all. */
export function readMessage(bytes: Uint8Array): Incoming {
	let value;
	try {
		value = parseStrict(bytes);
	} catch (error) {
		if (error instanceof StrictJsonError) return unreadable(`it is not JSON that can be trusted: ${error.message}`);
		throw error;
	}
	if (!isObject(value)) return unreadable('it is not one JSON-RPC message');
	if (value['jsonrpc'] !== '2.0') return unreadable('it is not JSON-RPC 2.0');
	const { id, method } = value;
	const hasId = typeof id === 'string' || typeof id === 'number';
	if (typeof method === 'string') {
		if (hasId) return { kind: 'request', id, method, message: value };
		return id === undefined ? { kind: 'notification', method, message: value } : unreadable('its id is neither text nor number');
	}
	const hasResult = isObject(value['result']);
	const hasError = isObject(value['error']) && typeof value['error']['code'] === 'number' && typeof value['error']['message'] === 'string';
	if (hasResult === hasError) return unreadable('it has no single result or error');
	if (hasId) return { kind: 'response', id, message: value };
	return hasError ? { kind: 'error', message: value } : unreadable('it answers no request');
}

export function isObject(value: unknown): value is JsonObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const OURS = 'dev.toolgate/';

/** The object without `_meta` keys that only ToolGate may set; the object itself where it has none. */
function withoutOurs(holder: JsonObject): JsonObject {
	const meta = holder['_meta'];
	if (!isObject(meta)) return holder;
	const keys = Object.keys(meta);
	if (!keys.some((key) => key.startsWith(OURS))) return holder;
	return { ...holder, _meta: Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(OURS))) };
}

/**
 * The message without `_meta` keys under `dev.toolgate/`, in `params`, in `result` and in the items of a result's lists: what an agent or an
 * upstream says there could pass for a word of the gateway.
 */
export function stripOurMeta(message: JsonObject): JsonObject {
	const { params, result } = message;
	if (isObject(params)) {
		const clean = withoutOurs(params);
		return clean === params ? message : { ...message, params: clean };
	}
	if (!isObject(result)) return message;
	let clean = withoutOurs(result);
	for (const [key, list] of Object.entries(result)) {
		if (!Array.isArray(list) || key === '_meta') continue;
		const items = list.map((item) => (isObject(item) ? withoutOurs(item) : item));
		if (items.some((item, index) => item !== list[index])) clean = { ...clean, [key]: items };
	}
	return clean === result ? message : { ...message, result: clean };
}

const ENVELOPE = /^io\.modelcontextprotocol\/(protocolVersion|clientInfo|clientCapabilities|logLevel)$/;

/** The request without what a modern one says for itself, and a session of the legacy era has said already. */
export function withoutEnvelope(message: JsonObject): JsonObject {
	const { params } = message;
	const meta = isObject(params) ? params['_meta'] : undefined;
	if (!isObject(params) || !isObject(meta) || !Object.keys(meta).some((key) => ENVELOPE.test(key))) return message;
	const { _meta: _, ...rest } = params;
	const kept = Object.entries(meta).filter(([key]) => !ENVELOPE.test(key));
	return { ...message, params: kept.length === 0 ? rest : { ...rest, _meta: Object.fromEntries(kept) } };
}
