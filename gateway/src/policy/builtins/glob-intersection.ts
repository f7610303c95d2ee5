import { fail } from './operands.ts';

/**
 * Whether some text matches both patterns, made of characters, `.`, `[sets]` and the flags `+` and `*`. The answers are those of
 * OPA's library (yashtewari/glob-intersection), step by step; only that pairs of suffixes are remembered, since the recursion is
 * exponential without.
 */
export function globsIntersect(a: string, b: string): boolean {
	const [left, right] = [parseGlob(a), parseGlob(b)];
	const trimmed = trim(left, right);
	return trimmed !== undefined && new Intersection(trimmed).holds();
}

/** A pattern of more tokens is an error: pairs of positions grow with the square. */
const maxTokens = 500;

interface Token {
	/** Sorted, disjoint code point ranges; undefined for `.`. */
	readonly ranges: readonly Range[] | undefined;
	readonly isSet: boolean;
	flag: '' | '+' | '*';
}

type Range = readonly [first: number, last: number];
type Glob = readonly Token[];

function parseGlob(text: string): Token[] {
	const runes = Array.from(text);
	if (runes.length > maxTokens) fail();
	const tokens: Token[] = [];
	for (let i = 0; i < runes.length; ) {
		const [token, next] = parseToken(runes, i);
		i = next;
		const flag = runes[i];
		if (flag === '\\' && i === runes.length - 1) fail();
		if (flag === '+' || flag === '*') {
			token.flag = flag;
			i++;
		}
		push(tokens, token);
	}
	return tokens;
}

function parseToken(runes: readonly string[], at: number): [Token, number] {
	const rune = runes[at] ?? fail();
	switch (rune) {
		case '\\':
			return [character(runes[at + 1] ?? fail()), at + 2];
		case '.':
			return [{ ranges: undefined, isSet: false, flag: '' }, at + 1];
		case '[':
			return parseSet(runes, at + 1);
		case ']':
		case '+':
		case '*':
			return fail();
		default:
			return [character(rune), at + 1];
	}
}

function character(rune: string): Token {
	return { ranges: [single(rune)], isSet: false, flag: '' };
}

function single(rune: string): Range {
	const code = rune.codePointAt(0) ?? 0;
	return [code, code];
}

function parseSet(runes: readonly string[], start: number): [Token, number] {
	const ranges: Range[] = [];
	let previous: number | undefined;
	for (let at = start; at < runes.length; ) {
		const [rune, isEscaped, next] = readRune(runes, at);
		at = next;
		if (!isEscaped && rune === ']') return [{ ranges: normalized(ranges), isSet: true, flag: '' }, at];
		if (isEscaped || rune !== '-') {
			ranges.push(single(rune));
			previous = rune.codePointAt(0);
			continue;
		}
		if (previous === undefined || at >= runes.length - 1) fail();
		const [last, isLastEscaped, afterLast] = readRune(runes, at);
		const code = last.codePointAt(0) ?? 0;
		if ((!isLastEscaped && (last === ']' || last === '-')) || code < (previous ?? 0)) fail();
		ranges.push([previous ?? 0, code]);
		previous = undefined;
		at = afterLast;
	}
	return fail();
}

function readRune(runes: readonly string[], at: number): [rune: string, isEscaped: boolean, next: number] {
	const rune = runes[at] ?? fail();
	return rune === '\\' ? [runes[at + 1] ?? fail(), true, at + 2] : [rune, false, at + 1];
}

function normalized(ranges: readonly Range[]): Range[] {
	const joined: Range[] = [];
	for (const range of ranges.toSorted((a, b) => a[0] - b[0])) {
		const last = joined.at(-1);
		if (last && range[0] <= last[1] + 1) joined[joined.length - 1] = [last[0], Math.max(last[1], range[1])];
		else joined.push(range);
	}
	return joined;
}

/** Adds a token; joins it with the one before where both have a flag and the same content (`a*a+` is `a+`). */
function push(tokens: Token[], token: Token): void {
	const latest = tokens.at(-1);
	const isSame = latest && latest.isSet === token.isSet && JSON.stringify(latest.ranges) === JSON.stringify(token.ranges);
	if (latest && isSame && latest.flag !== '' && token.flag !== '') latest.flag = latest.flag === '+' || token.flag === '+' ? '+' : '*';
	else tokens.push(token);
}

function matches(a: Token, b: Token): boolean {
	const { ranges } = a;
	const others = b.ranges;
	if (ranges === undefined || others === undefined) return true;
	return ranges.some(([first, last]) => others.some((other) => first <= other[1] && other[0] <= last));
}

/** Cuts off what is plain on both sides and equal, up to one token at either end; undefined where it differs. */
function trim(a: Glob, b: Glob): readonly [Glob, Glob] | undefined {
	const isPlain = (i: number, j: number): boolean => a[i]?.flag === '' && b[j]?.flag === '';
	const isMatch = (i: number, j: number): boolean => matches(a[i] ?? fail(), b[j] ?? fail());
	let left = 0;
	for (; left < a.length && left < b.length && isPlain(left, left); left++) if (!isMatch(left, left)) return undefined;
	if (left > 0) left--;
	let [i, j] = [a.length - 1, b.length - 1];
	for (; i >= left && j >= left && isPlain(i, j); i--, j--) if (!isMatch(i, j)) return undefined;
	if (i < a.length - 1) {
		i++;
		j++;
	}
	return [a.slice(left, i + 1), b.slice(left, j + 1)];
}

/** A position in one of the two globs: side 0 or 1. */
interface Suffix {
	readonly side: 0 | 1;
	readonly at: number;
}

class Intersection {
	readonly #globs: readonly [Glob, Glob];
	readonly #known = new Map<string, boolean>();

	constructor(globs: readonly [Glob, Glob]) {
		this.#globs = globs;
	}

	holds(): boolean {
		return this.#normal({ side: 0, at: 0 }, { side: 1, at: 0 });
	}

	#token(suffix: Suffix, offset = 0): Token | undefined {
		return this.#globs[suffix.side][suffix.at + offset];
	}

	#normal(a: Suffix, b: Suffix): boolean {
		const key = `${a.side} ${a.at} ${b.at}`;
		const known = this.#known.get(key);
		if (known !== undefined) return known;
		const answer = this.#compare(a, b);
		this.#known.set(key, answer);
		return answer;
	}

	#compare(a: Suffix, b: Suffix): boolean {
		for (let i = 0; ; i++) {
			const left = this.#token(a, i);
			const right = this.#token(b, i);
			if (!left || !right) return !left && !right;
			if (left.flag !== '' || right.flag !== '') return this.#special(later(a, i), later(b, i), left, right);
			if (!matches(left, right)) return false;
		}
	}

	#special(a: Suffix, b: Suffix, left: Token, right: Token): boolean {
		const [flagged, other] = left.flag !== '' ? [a, b] : [b, a];
		return (left.flag || right.flag) === '+' ? this.#plus(flagged, other) : this.#star(flagged, other);
	}

	#plus(plussed: Suffix, other: Suffix): boolean {
		const [token, first] = [this.#token(plussed), this.#token(other)];
		if (!token || !first || !matches(token, first)) return false;
		return this.#star(plussed, later(other, 1)) || (first.flag !== '' && this.#normal(later(plussed, 1), other));
	}

	#star(starred: Suffix, other: Suffix): boolean {
		const token = this.#token(starred);
		const following = this.#token(starred, 1);
		for (let i = 0; ; i++) {
			const next = this.#token(other, i);
			if (!next) return following === undefined;
			if (following && matches(next, following) && this.#normal(later(starred, 1), later(other, i))) return true;
			if (!token || !matches(next, token)) return false;
		}
	}
}

function later({ side, at }: Suffix, by: number): Suffix {
	return { side, at: at + by };
}
