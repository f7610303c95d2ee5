import type { JsonObject, JsonValue } from '../../domain.ts';
import { isObject } from '../messages.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
const TYPES: readonly unknown[] = ['string', 'integer', 'boolean'];
const MAX_HEADERS = 64;

/**
 * `Mcp-Param-*` for the arguments that a tool's schema marks by `x-mcp-header`: names and values in turn (2026-07-28, Streamable HTTP, "Custom
 * Headers from Tool Parameters"). Only what is reached by `properties` alone counts; an argument that is absent or null has no header.
 */
export function parameterHeaders(definition: JsonObject, args: JsonValue | undefined): string[] {
	const found: string[] = [];
	const visit = (schema: JsonValue | undefined, value: JsonValue | undefined): void => {
		if (!isObject(schema) || value === undefined || value === null || found.length >= 2 * MAX_HEADERS) return;
		const { 'x-mcp-header': name, type, properties } = schema;
		if (typeof name === 'string' && TOKEN.test(name) && TYPES.includes(type) && typeof value !== 'object')
			found.push(`mcp-param-${name}`, toHeaderValue(String(value)));
		if (!isObject(properties) || !isObject(value)) return;
		for (const [key, property] of Object.entries(properties)) if (Object.hasOwn(value, key)) visit(property, value[key]);
	};
	visit(definition['inputSchema'], args);
	return found;
}

/** Visible ASCII as it is; anything else, and what looks like it, as `=?base64?…?=`. */
export function toHeaderValue(text: string): string {
	const isPlain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text);
	return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
