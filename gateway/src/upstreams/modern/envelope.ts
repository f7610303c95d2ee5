import type { JsonObject } from '../../domain.ts';
import { isObject } from '../messages.ts';
import { parameterHeaders, toHeaderValue } from './parameter-headers.ts';

/** The revision of the modern era that the gateway speaks towards upstreams. */
export const REVISION = '2026-07-28';

/** Keys of `_meta` in which every request says for itself what `initialize` said for a session (2026-07-28, "Base Protocol"). */
export const META = {
	protocolVersion: 'io.modelcontextprotocol/protocolVersion',
	clientInfo: 'io.modelcontextprotocol/clientInfo',
	clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
	serverInfo: 'io.modelcontextprotocol/serverInfo',
	subscriptionId: 'io.modelcontextprotocol/subscriptionId',
	logLevel: 'io.modelcontextprotocol/logLevel',
} as const;

/** Who asks, as the upstream is told. */
export interface Introduction {
	readonly clientInfo: JsonObject;
	readonly clientCapabilities: JsonObject;
	readonly logLevel?: string;
}

/** The request with its envelope; what else stands in `_meta` stays. */
export function withEnvelope(message: JsonObject, { clientInfo, clientCapabilities, logLevel }: Introduction): JsonObject {
	const params = isObject(message['params']) ? message['params'] : {};
	const meta = isObject(params['_meta']) ? params['_meta'] : {};
	const envelope = {
		[META.protocolVersion]: REVISION,
		[META.clientInfo]: clientInfo,
		[META.clientCapabilities]: clientCapabilities,
		...(logLevel === undefined ? {} : { [META.logLevel]: logLevel }),
	};
	return { ...message, params: { ...params, _meta: { ...meta, ...envelope } } };
}

const NAMED_BY: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

/**
 * The headers that repeat the body, names and values in turn (2026-07-28, Streamable HTTP, "Standard Request Headers"). They are made of the
 * message that goes up, never of what an agent sent as headers.
 * @param definition of the tool that is called
 */
export function repeatingHeaders(message: JsonObject, definition: JsonObject | undefined): string[] {
	const method = message['method'] as string;
	const params = isObject(message['params']) ? message['params'] : {};
	const name = Object.hasOwn(NAMED_BY, method) ? params[NAMED_BY[method]!] : undefined;
	return [
		'mcp-protocol-version',
		REVISION,
		'mcp-method',
		toHeaderValue(method),
		...(typeof name === 'string' ? ['mcp-name', toHeaderValue(name)] : []),
		...(method === 'tools/call' && definition !== undefined ? parameterHeaders(definition, params['arguments']) : []),
	];
}
