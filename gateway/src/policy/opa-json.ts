import type { JsonObject, JsonValue } from '../domain.ts';

/** JSON as OPA reads and hashes it: every digit of a number counts. */

type RawNumber = { readonly rawJSON: string };
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
// Part of ECMAScript 2026, and not yet among TypeScript's own types.
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON, isRawJSON } = JSON as unknown as { rawJSON(text: string): RawNumber; isRawJSON(value: unknown): value is RawNumber };

/** Parsed JSON whose integers beyond ±(2^53 − 1) are `bigint`. @throws {SyntaxError} */
export function parseExact(text: string): JsonValue {
	// Asking for the source of each value costs ten times the parsing.
	if (!/\d{16}/.test(text)) return JSON.parse(text) as JsonValue;
	return parseWithSource(text, (_, value, { source }) =>
		typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value,
	) as JsonValue;
}

/**
 * The form over which OPA hashes JSON documents in a bundle: no white space, keys sorted by their UTF-8 bytes, numbers as they were
 * written, strings as Go writes them. @throws {SyntaxError}
 */
export function hashForm(text: string): string {
	return write(parseWithSource(text, (_, value, { source }) => (typeof value === 'number' ? rawJSON(source!) : value)));
}

function write(value: unknown): string {
	if (typeof value === 'string') return quote(value);
	if (value === null || typeof value === 'boolean') return String(value);
	if (isRawJSON(value)) return value.rawJSON;
	if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
	const members = value as JsonObject;
	const keys = Object.keys(members).sort(byBytes);
	return `{${keys.map((key) => `${quote(key)}:${write(members[key])}`).join(',')}}`;
}

/** Go decodes half a surrogate pair to U+FFFD, and escapes the two line separators of JavaScript. */
function quote(text: string): string {
	return JSON.stringify(text.toWellFormed()).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

/** UTF-16 sorts as UTF-8 does, except that surrogates stand below U+E000. */
function byBytes(a: string, b: string): number {
	if (/[\ud800-\udfff]/.test(a + b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
	return a < b ? -1 : 1;
}
