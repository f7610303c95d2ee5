import { compareStrings, entriesOf, RegoSet, type RegoValue } from '../rego-value.ts';

// Unicode letters, marks, numbers, punctuation, symbols, and of the spaces only the ASCII one.
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

const escapes: ReadonlyMap<string, string> = new Map([
	['\x07', '\\a'],
	['\b', '\\b'],
	['\f', '\\f'],
	['\n', '\\n'],
	['\r', '\\r'],
	['\t', '\\t'],
	['\v', '\\v'],
]);

/** Go's strconv.Quote, or QuoteToASCII. `quote` is `"` for strings and `'` for characters. */
export function quoteGo(text: string, options: { quote?: string; asciiOnly?: boolean } = {}): string {
	const { quote = '"', asciiOnly = false } = options;
	return quote + Array.from(text, (rune) => escapeRune(rune, quote, asciiOnly)).join('') + quote;
}

/** Go's strconv.IsPrint. */
export function isPrintable(rune: string): boolean {
	return printable.test(rune);
}

function escapeRune(rune: string, quote: string, asciiOnly: boolean): string {
	const code = rune.codePointAt(0) ?? 0;
	if (rune === quote || rune === '\\') return `\\${rune}`;
	if (isPrintable(rune) && (!asciiOnly || code < 0x80)) return rune;
	const escape = escapes.get(rune);
	if (escape !== undefined) return escape;
	const hex = code.toString(16);
	if (code < 0x20 || code === 0x7f) return `\\x${hex.padStart(2, '0')}`;
	return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** A Rego term as OPA prints it: `{"a": [1, 2]}`, `{1, 2}`, `set()`. */
export function termText(value: RegoValue): string {
	if (typeof value === 'string') return quoteGo(value);
	if (typeof value === 'number') return numberText(value);
	if (typeof value !== 'object' || value === null) return String(value);
	if (Array.isArray(value)) return `[${value.map(termText).join(', ')}]`;
	if (value instanceof RegoSet) return value.items.length === 0 ? 'set()' : `{${value.items.map(termText).join(', ')}}`;
	return `{${entriesOf(value)
		.map(([key, member]) => `${termText(key)}: ${termText(member)}`)
		.join(', ')}}`;
}

/** A number's text, with Go's two-digit exponent. */
export function numberText(value: number): string {
	return String(value).replace(/e([-+])([0-9])$/, 'e$10$2');
}

/** Sorts by the UTF-8 bytes, as Go does. */
export function sortByBytes(texts: Iterable<string>): string[] {
	return [...texts].sort(compareStrings);
}
