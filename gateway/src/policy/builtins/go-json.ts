import { compareStrings, emptyObject, entriesOf, numberFromText, RegoSet, type RegoValue } from '../rego-value.ts';

/** How json.MarshalIndent lays out: a new line, the prefix, and the indent once per level. */
export interface JsonStyle {
	readonly prefix: string;
	readonly indent: string;
}

/** Go's json.Marshal, or MarshalIndent with a style: keys sorted by their bytes; `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function marshalJson(value: RegoValue, style?: JsonStyle): string {
	return write(value, style, 0);
}

function write(value: RegoValue, style: JsonStyle | undefined, level: number): string {
	if (typeof value === 'string') return quoteJson(value);
	if (typeof value !== 'object' || value === null) return String(value);
	if (Array.isArray(value) || value instanceof RegoSet) {
		const items = Array.isArray(value) ? value : value.items;
		return list(
			'[',
			items.map((item) => write(item, style, level + 1)),
			']',
			style,
			level,
		);
	}
	const entries = entriesOf(value).map(([key, member]): [string, RegoValue] => [typeof key === 'string' ? key : marshalJson(key), member]);
	entries.sort((a, b) => compareStrings(a[0], b[0]));
	const colon = style ? ': ' : ':';
	return list(
		'{',
		entries.map(([key, member]) => quoteJson(key) + colon + write(member, style, level + 1)),
		'}',
		style,
		level,
	);
}

function list(open: string, items: string[], close: string, style: JsonStyle | undefined, level: number): string {
	if (!style || items.length === 0) return open + items.join(',') + close;
	const line = `\n${style.prefix}${style.indent.repeat(level)}`;
	return `${open}${items.map((item) => line + style.indent + item).join(',')}${line}${close}`;
}

function quoteJson(text: string): string {
	return JSON.stringify(text).replaceAll(
		/[<>&\u2028\u2029]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

/**
 * Go's JSON decoder with exact integers: undefined where it has an error. Of equal keys the last wins; half a surrogate pair
 * becomes U+FFFD.
 */
export function unmarshalJson(text: string): RegoValue | undefined {
	try {
		return (JSON.parse as ParseWithSource)(text, revive) as RegoValue;
	} catch (error) {
		// Too deep for the parser counts as bad text too; Go has a limit of its own.
		if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
		throw error;
	}
}

// The compiler's library doesn't know the reviver's third argument yet.
type ParseWithSource = (text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown;

function revive(_: string, value: unknown, { source }: { source?: string }): unknown {
	if (typeof value === 'number') return numberFromText(source ?? String(value));
	if (typeof value === 'string') return value.toWellFormed();
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
	const object = emptyObject();
	for (const [key, member] of Object.entries(value)) object[key.toWellFormed()] = member as RegoValue;
	return object;
}
