/**
 * Rego values in JavaScript, their total order, and their text.
 *
 * | Rego | JavaScript |
 * |---|---|
 * | null, boolean, string, array | the same |
 * | number | `number`; an integer beyond ±(2^53 − 1) is a `bigint`, so that it keeps every digit |
 * | set | {@link RegoSet} |
 * | object, all keys strings | a plain object without prototype |
 * | object with any other key | {@link RegoObject} |
 *
 * A fraction is the nearest double; only integers are exact beyond that.
 */
export type RegoValue = null | boolean | string | number | bigint | RegoValue[] | RegoSet | RegoObject | { [key: string]: RegoValue };

/** A set. `items` are sorted by {@link compare} and unique; `RegoSet.of` sees to that. */
export class RegoSet {
	readonly items: RegoValue[];

	private constructor(items: RegoValue[]) {
		this.items = items;
	}

	/** The set of `items`, in any order and with repeats. */
	static of(items: Iterable<RegoValue>): RegoSet {
		const sorted = [...items].sort(compare);
		return new RegoSet(sorted.filter((item, i) => i === 0 || compare(sorted[i - 1]!, item) !== 0));
	}
}

/** An object with at least one key that is not a string; entries sorted by key. Make one with {@link objectOf}. */
export class RegoObject {
	readonly entries: [RegoValue, RegoValue][];

	constructor(entries: [RegoValue, RegoValue][]) {
		this.entries = entries;
	}
}

/** The object with these entries: plain when every key is a string, else a {@link RegoObject}. The last of equal keys wins. */
export function objectOf(entries: Iterable<[RegoValue, RegoValue]>): RegoObject | { [key: string]: RegoValue } {
	const all = [...entries];
	if (all.every(([key]) => typeof key === 'string')) {
		const plain = emptyObject();
		for (const [key, value] of all) plain[key as string] = value;
		return plain;
	}
	const sorted = all.sort((a, b) => compare(a[0], b[0]));
	return new RegoObject(sorted.filter(([key], i) => i === sorted.length - 1 || compare(key, sorted[i + 1]![0]) !== 0));
}

/** `{}` without a prototype, so that no key of a policy's data ever meets `Object.prototype`. */
export function emptyObject(): { [key: string]: RegoValue } {
	return Object.create(null);
}

export type RegoType = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object' | 'set';

/** The type's name as `type_name` says it. */
export function typeOf(value: RegoValue): RegoType {
	if (value === null) return 'null';
	switch (typeof value) {
		case 'boolean':
			return 'boolean';
		case 'string':
			return 'string';
		case 'number':
		case 'bigint':
			return 'number';
		default:
			return Array.isArray(value) ? 'array' : value instanceof RegoSet ? 'set' : 'object';
	}
}

/** An object's entries, sorted by key. */
export function entriesOf(value: RegoObject | { [key: string]: RegoValue }): [RegoValue, RegoValue][] {
	if (value instanceof RegoObject) return value.entries;
	return Object.entries(value).sort((a, b) => compareStrings(a[0], b[0]));
}

const order: Record<RegoType, number> = { null: 0, boolean: 1, number: 2, string: 3, array: 4, object: 5, set: 6 };

/**
 * OPA's total order: null < booleans < numbers < strings < arrays < objects < sets; strings by their UTF-8 bytes, collections
 * element by element and then by length. Below, at or above 0, as `Array.sort` wants it.
 */
export function compare(a: RegoValue, b: RegoValue): number {
	const type = typeOf(a);
	const byType = order[type] - order[typeOf(b)];
	if (byType !== 0) return byType;
	switch (type) {
		case 'null':
			return 0;
		case 'boolean':
			return Number(a) - Number(b);
		case 'number':
			return compareNumbers(a as number | bigint, b as number | bigint);
		case 'string':
			return compareStrings(a as string, b as string);
		case 'array':
			return compareLists(a as RegoValue[], b as RegoValue[]);
		case 'set':
			return compareLists((a as RegoSet).items, (b as RegoSet).items);
		case 'object':
			return compareLists(entriesOf(a as RegoObject).flat(), entriesOf(b as RegoObject).flat());
	}
}

function compareNumbers(a: number | bigint, b: number | bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

function compareLists(a: RegoValue[], b: RegoValue[]): number {
	for (let i = 0; i < a.length && i < b.length; i++) {
		const c = compare(a[i]!, b[i]!);
		if (c !== 0) return c;
	}
	return a.length - b.length;
}

/** By code point, which is the order of the UTF-8 bytes; `<` would put U+FFFD before an emoji's surrogates. */
export function compareStrings(a: string, b: string): number {
	if (a === b) return 0;
	for (let i = 0; i < a.length && i < b.length; i++) {
		const x = a.charCodeAt(i);
		const y = b.charCodeAt(i);
		if (x === y) continue;
		if (isSurrogate(x) === isSurrogate(y)) return x - y;
		return isSurrogate(x) ? 1 : -1;
	}
	return a.length - b.length;
}

function isSurrogate(unit: number): boolean {
	return unit >= 0xd800 && unit <= 0xdfff;
}

/**
 * The value as OPA writes it to JSON: sets become sorted arrays, keys that are not strings become their JSON text. Integers beyond
 * ±(2^53 − 1) stay `bigint`.
 */
export function toJson(value: RegoValue): unknown {
	if (typeof value !== 'object' || value === null) return value;
	if (Array.isArray(value)) return value.map(toJson);
	if (value instanceof RegoSet) return value.items.map(toJson);
	const entries = value instanceof RegoObject ? value.entries : Object.entries(value);
	return Object.fromEntries(
		entries.map(([key, member]) => [typeof key === 'string' ? key : toText(toJson(key) as RegoValue), toJson(member)]),
	);
}

/**
 * The value as a Rego term: JSON, with `{1,2}` and `set()` for sets and any value as key. For a value without those, plain JSON; a member
 * that is `undefined` is left out, as in `JSON.stringify`.
 */
export function toText(value: RegoValue): string {
	switch (typeof value) {
		case 'string':
			return JSON.stringify(value);
		case 'object': {
			if (value === null) return 'null';
			if (Array.isArray(value)) return `[${value.map(toText).join()}]`;
			if (value instanceof RegoSet) return value.items.length === 0 ? 'set()' : `{${value.items.map(toText).join()}}`;
			const entries = value instanceof RegoObject ? value.entries : Object.entries(value).filter(([, member]) => member !== undefined);
			return `{${entries.map(([key, member]) => `${toText(key)}:${toText(member)}`).join()}}`;
		}
		default:
			return String(value);
	}
}

/** The value that a Rego term stands for, as `opa_value_dump` writes it. Throws `SyntaxError` where it is none. */
export function fromText(text: string): RegoValue {
	const reader = new TermReader(text);
	const value = reader.value();
	reader.end();
	return value;
}

/** Digits that an integer written with an exponent may have; a longer one would fill the memory from a few characters. */
const maxIntegerDigits = 5_000;

const numberPattern = /-?(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d*))?/y;

/** The number that a number's text stands for. Throws `SyntaxError` for an integer of more than 5,000 digits. */
export function numberFromText(text: string): number | bigint {
	const number = Number(text);
	if (Number.isSafeInteger(number) || (Number.isFinite(number) && !Number.isInteger(number))) return number;
	numberPattern.lastIndex = 0;
	const [, whole = '', fraction = '', exponent = '0'] = numberPattern.exec(text) ?? [];
	const shift = Number(exponent) - fraction.length;
	// A fraction this close to an integer, such as 9007199254740993.5, has no double of its own.
	if (shift < 0 && /[1-9]/.test((whole + fraction).slice(shift))) return number;
	const digits = shift < 0 ? (whole + fraction).slice(0, shift) : whole + fraction + '0'.repeat(zeros(text, whole, shift));
	return BigInt(digits || '0') * (text.startsWith('-') ? -1n : 1n);
}

function zeros(text: string, digits: string, shift: number): number {
	if (digits.length + shift > maxIntegerDigits) throw new SyntaxError(`number ${text.slice(0, 40)} has too many digits`);
	return shift;
}

const spaces = /\s*/y;

class TermReader {
	readonly #text: string;
	#at = 0;

	constructor(text: string) {
		this.#text = text;
	}

	end(): void {
		this.#peek();
		if (this.#at < this.#text.length) this.#fail();
	}

	value(): RegoValue {
		switch (this.#peek()) {
			case '"':
				return this.#string();
			case '[':
				return this.#list('[', ']', () => this.value());
			case '{':
				return this.#braces();
			case 'n':
				return this.#word('null', null);
			case 't':
				return this.#word('true', true);
			case 'f':
				return this.#word('false', false);
			case 's':
				return this.#word('set()', RegoSet.of([]));
			default:
				return this.#number();
		}
	}

	/** The next character that is no space, not yet taken. */
	#peek(): string | undefined {
		if (this.#text.charCodeAt(this.#at) <= 32) {
			spaces.lastIndex = this.#at;
			spaces.test(this.#text);
			this.#at = spaces.lastIndex;
		}
		return this.#text[this.#at];
	}

	#word<T>(word: string, value: T): T {
		if (!this.#text.startsWith(word, this.#at)) this.#fail();
		this.#at += word.length;
		return value;
	}

	#number(): number | bigint {
		numberPattern.lastIndex = this.#at;
		const match = numberPattern.exec(this.#text);
		if (match === null) return this.#fail();
		this.#at += match[0].length;
		return numberFromText(match[0]);
	}

	#string(): string {
		const start = this.#at;
		let end = start;
		do end = this.#text.indexOf('"', end + 1);
		while (end > 0 && this.#isEscaped(end));
		if (end < 0) return this.#fail();
		this.#at = end + 1;
		const inner = this.#text.slice(start + 1, end);
		return inner.includes('\\') ? JSON.parse(`"${inner}"`) : inner;
	}

	#isEscaped(at: number): boolean {
		let first = at;
		while (this.#text[first - 1] === '\\') first--;
		return (at - first) % 2 === 1;
	}

	/** A set or an object: which one shows after the first element. */
	#braces(): RegoValue {
		let isObject = true;
		const elements = this.#list('{', '}', (): [RegoValue, RegoValue] => {
			const key = this.value();
			if (this.#peek() !== ':') {
				isObject = false;
				return [key, null];
			}
			this.#at++;
			return [key, this.value()];
		});
		return isObject ? objectOf(elements) : RegoSet.of(elements.map(([item]) => item));
	}

	#list<T>(open: string, close: string, element: () => T): T[] {
		this.#word(open, undefined);
		const list: T[] = [];
		while (this.#peek() !== close) {
			if (list.length > 0) {
				this.#word(',', undefined);
			}
			list.push(element());
		}
		this.#at++;
		return list;
	}

	#fail(): never {
		throw new SyntaxError(`not a Rego term at offset ${this.#at}: ${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))}`);
	}
}
