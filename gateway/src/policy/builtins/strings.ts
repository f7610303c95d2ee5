import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import type { GoArgument } from './go-fmt.ts';
import { termText } from './go-quote.ts';
import { sprintf } from './go-sprintf.ts';
import { arrayOf, countOf, fail, membersOf, stringOf } from './operands.ts';

export const stringBuiltins = {
	sprintf: (_: BuiltinContext, format: RegoValue, args: RegoValue) => sprintf(stringOf(format), arrayOf(args).map(goArgument)),
	indexof_n: (_: BuiltinContext, text: RegoValue, search: RegoValue) => indexOfAll(stringOf(text), stringOf(search)),
	'strings.count': (_: BuiltinContext, text: RegoValue, search: RegoValue) => countOccurrences(stringOf(text), stringOf(search)),
	'strings.split_n': (_: BuiltinContext, text: RegoValue, delimiter: RegoValue, n: RegoValue) =>
		splitN(stringOf(text), stringOf(delimiter), countOf(n)),
	'strings.any_prefix_match': (_: BuiltinContext, texts: RegoValue, prefixes: RegoValue) => {
		const starts = textsOf(prefixes);
		return textsOf(texts).some((text) => starts.some((start) => text.startsWith(start)));
	},
	'strings.any_suffix_match': (_: BuiltinContext, texts: RegoValue, suffixes: RegoValue) => {
		const ends = textsOf(suffixes);
		return textsOf(texts).some((text) => ends.some((end) => text.endsWith(end)));
	},
	'glob.quote_meta': (_: BuiltinContext, pattern: RegoValue) => stringOf(pattern).replaceAll(/[*?\\[\]{}]/g, '\\$&'),
};

/** Numbers keep their kind for the verbs; what is neither number nor string is printed as a Rego term. */
function goArgument(value: RegoValue): GoArgument {
	if (typeof value === 'string') return { type: 'string', value };
	if (typeof value === 'number' && !Number.isInteger(value)) {
		// OPA tells fractions by their point: a number written 1e-7 reaches the verbs as text.
		const text = String(value);
		return text.includes('.') ? { type: 'float64', value } : { type: 'string', value: text };
	}
	if (typeof value === 'number' || typeof value === 'bigint') {
		const integer = BigInt(value);
		return { type: integer === BigInt.asIntN(64, integer) ? 'int64' : '*big.Int', value: integer };
	}
	return { type: 'string', value: termText(value) };
}

/** A string, or an array or set of strings. */
function textsOf(value: RegoValue): string[] {
	return typeof value === 'string' ? [value] : membersOf(value).map(stringOf);
}

/** Every position, in code points, at which `search` starts; overlapping ones too. */
function indexOfAll(text: string, search: string): number[] {
	if (search === '') fail();
	const found: number[] = [];
	let position = 0;
	for (let unit = 0; unit < text.length; position++) {
		if (text.startsWith(search, unit)) found.push(position);
		unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
	}
	return found;
}

function countOccurrences(text: string, search: string): number {
	return search === '' ? Array.from(text).length + 1 : text.split(search).length - 1;
}

/** At most the first n parts, or, for n below 0, the last -n. */
function splitN(text: string, delimiter: string, n: number): string[] {
	const parts = delimiter === '' ? Array.from(text) : text.split(delimiter);
	return n >= 0 ? parts.slice(0, n) : parts.slice(Math.max(parts.length + n, 0));
}
