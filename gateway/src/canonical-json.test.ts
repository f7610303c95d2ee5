import fc from 'fast-check';
import t from 'tap';
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './domain.ts';

t.test('keys stand in the order of their UTF-16 code units, whatever order they came in', async (t) => {
	t.equal(canonicalJson({ b: 1, a: [{ d: null, c: 'x' }] }), '{"a":[{"c":"x","d":null}],"b":1}');
	t.equal(canonicalJson({ 9: 1, 10: 2 }), '{"10":2,"9":1}', 'an engine puts whole numbers in the order of numbers');
	t.equal(canonicalJson({ '\u{1f600}': 1, '\ufb33': 2 }), '{"\u{1f600}":1,"\ufb33":2}', 'by code units, not by code points');
	t.equal(canonicalJson({ a: undefined, b: 1 } as unknown as JsonValue), '{"b":1}');
	t.equal(canonicalJson({ c: 1, a: undefined } as unknown as JsonValue), '{"c":1}');
});

t.test('it says the same of a value in any order of keys, and says no less than JSON.stringify', async (t) => {
	const reversed = (value: JsonValue): JsonValue => {
		if (value === null || typeof value !== 'object') return value;
		if (Array.isArray(value)) return value.map(reversed);
		return Object.fromEntries(
			Object.entries(value)
				.toReversed()
				.map(([key, member]) => [key, reversed(member!)]),
		);
	};
	const keysOf = (text: string): string[][] => {
		const seen: string[][] = [];
		JSON.parse(text, (_, value: unknown) => {
			if (typeof value === 'object' && value !== null && !Array.isArray(value))
				seen.push(Object.keys(value).filter((key) => !/^\d/.test(key)));
			return value;
		});
		return seen;
	};
	fc.assert(
		fc.property(fc.jsonValue(), (any) => {
			const value = JSON.parse(JSON.stringify(any)) as JsonValue;
			const text = canonicalJson(value);
			t.strictSame(JSON.parse(text), value);
			t.equal(canonicalJson(reversed(value)), text);
			for (const keys of keysOf(text)) t.strictSame(keys, keys.toSorted(byCodeUnits));
		}),
		{ numRuns: 200 },
	);
});

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
