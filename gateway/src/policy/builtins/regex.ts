import { RE2JS } from 're2js';
import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { globsIntersect } from './glob-intersection.ts';
import { countOf, fail, stringOf } from './operands.ts';

/** Text that a replacement may grow to. */
const maxReplaced = 1_000_000;

/** One search costs at most instructions × characters; more than this would hold up every other call. */
const maxSearchSteps = 20_000_000;

/** Searching on from each match can add up to the square of the text; after this time the call is a builtin error. */
const maxSearchMs = 250;

export const regexBuiltins = {
	'regex.find_n': (_: BuiltinContext, pattern: RegoValue, text: RegoValue, n: RegoValue) =>
		findAll(compile(stringOf(pattern)), stringOf(text), countOf(n)).map((match) => groupText(stringOf(text), match, 0)),
	'regex.split': (_: BuiltinContext, pattern: RegoValue, text: RegoValue) => split(stringOf(pattern), stringOf(text)),
	'regex.replace': (_: BuiltinContext, text: RegoValue, pattern: RegoValue, replacement: RegoValue) =>
		replace(stringOf(text), compile(stringOf(pattern)), stringOf(replacement)),
	'regex.template_match': (_: BuiltinContext, template: RegoValue, text: RegoValue, start: RegoValue, end: RegoValue) =>
		findAll(compileTemplate(stringOf(template), delimiterOf(start), delimiterOf(end)), stringOf(text), 1).length > 0,
	'regex.globs_match': (_: BuiltinContext, a: RegoValue, b: RegoValue) => globsIntersect(stringOf(a), stringOf(b)),
};

/** A compiled pattern; `groups` are the numbers of the groups of each name, which Go lets repeat. */
export interface Pattern {
	readonly regex: RE2JS;
	readonly groups: ReadonlyMap<string, readonly number[]>;
}

/** Compiling grows with the pattern: 10,000 characters take some 80 ms. */
const maxPatternLength = 10_000;

const maxCached = 100;
const cache = new Map<string, Pattern>();

/** The pattern in RE2's syntax, as Go's regexp takes it; fails where Go does. */
export function compile(pattern: string): Pattern {
	const known = cache.get(pattern);
	if (known) return known;
	if (pattern.length > maxPatternLength) fail();
	const compiled = compileNames(pattern);
	const oldest = cache.keys().next().value;
	if (cache.size >= maxCached && oldest !== undefined) cache.delete(oldest);
	cache.set(pattern, compiled);
	return compiled;
}

// What may hold "(?<name>" without meaning it: quoted text, an escape, a class. Then the real one.
const groupName = /\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?P?<(\w+)>/gs;

function compileNames(pattern: string): Pattern {
	const plain = tryCompile(pattern);
	if (plain) return { regex: plain, groups: new Map(Object.entries(plain.namedGroups()).map(([name, group]) => [name, [group]])) };
	// RE2JS refuses a name that comes twice: give each its own, and remember whose it is.
	const names: string[] = [];
	const unique = pattern.replaceAll(groupName, (whole, name: string | undefined) =>
		name === undefined ? whole : `(?P<n${names.push(name)}>`,
	);
	const regex = (new Set(names).size < names.length ? tryCompile(unique) : undefined) ?? fail();
	const groups = new Map<string, number[]>();
	for (const [i, name] of names.entries()) groups.set(name, [...(groups.get(name) ?? []), regex.namedGroups()[`n${i + 1}`] ?? fail()]);
	return { regex, groups };
}

function tryCompile(pattern: string): RE2JS | undefined {
	try {
		return RE2JS.compile(pattern);
	} catch {
		return undefined;
	}
}

/** Whether the pattern matches somewhere in the text. */
export function isMatch(pattern: Pattern, text: string): boolean {
	return findAll(pattern, text, 1).length > 0;
}

/** Start and end of each group in turn, in UTF-16 units; -1 for a group that took no part. */
type Match = readonly number[];

/** Go's FindAllSubmatchIndex: at most n matches, all for n below 0; an empty match right after another doesn't count. */
function findAll({ regex }: Pattern, text: string, n: number): Match[] {
	if (regex.programSize() * text.length > maxSearchSteps) fail();
	const matcher = regex.matcher(text);
	const deadlineMs = performance.now() + maxSearchMs;
	const matches: Match[] = [];
	let previousEnd = -1;
	for (let at = 0; at <= text.length && (n < 0 || matches.length < n); ) {
		if (!matcher.find(at)) break;
		const match = Array.from({ length: (matcher.groupCount() + 1) * 2 }, (_, i) =>
			i % 2 === 0 ? matcher.start(i >> 1) : matcher.end(i >> 1),
		);
		const [start = 0, end = 0] = match;
		const isRepeat = end === at && start === previousEnd;
		at = end === at ? at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) : end;
		previousEnd = end;
		if (!isRepeat) matches.push(match);
		if (performance.now() > deadlineMs) fail();
	}
	return matches;
}

function groupText(text: string, match: Match, group: number): string {
	const [start = -1, end = -1] = match.slice(group * 2, group * 2 + 2);
	return start < 0 ? '' : text.slice(start, end);
}

/** Go's Regexp.Split without a limit. */
function split(pattern: string, text: string): string[] {
	const compiled = compile(pattern);
	if (pattern !== '' && text === '') return [''];
	const parts: string[] = [];
	let begin = 0;
	let end = 0;
	for (const [start = 0, matchEnd = 0] of findAll(compiled, text, -1)) {
		end = start;
		if (matchEnd !== 0) parts.push(text.slice(begin, end));
		begin = matchEnd;
	}
	if (end !== text.length) parts.push(text.slice(begin));
	return parts;
}

function replace(text: string, pattern: Pattern, replacement: string): string {
	const pieces: string[] = [];
	let length = 0;
	let last = 0;
	for (const match of findAll(pattern, text, -1)) {
		const piece = text.slice(last, match[0]) + expand(replacement, text, match, pattern.groups);
		length += piece.length;
		if (length > maxReplaced) fail();
		pieces.push(piece);
		last = match[1] ?? last;
	}
	return pieces.join('') + text.slice(last);
}

// `$$`, `$name` with the longest name possible (so `$1z` is the group "1z"), `${name}`; any other $ is itself.
const reference = /\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;

function expand(replacement: string, text: string, match: Match, names: Pattern['groups']): string {
	return replacement.replaceAll(reference, (whole, braced: string | undefined, bare: string | undefined) => {
		if (whole === '$$') return '$';
		const name = braced ?? bare ?? '';
		const groups = /^(?:0|[1-9][0-9]{0,8})$/.test(name) ? [Number(name)] : (names.get(name) ?? []);
		const group = groups.find((candidate) => (match[candidate * 2] ?? -1) >= 0);
		return group === undefined ? '' : groupText(text, match, group);
	});
}

function delimiterOf(value: RegoValue): string {
	const text = stringOf(value);
	return Buffer.byteLength(text) === 1 ? text : fail();
}

/** A template: plain text with patterns between delimiters, such as `urn:foo:{.*}`. */
function compileTemplate(template: string, start: string, end: string): Pattern {
	let pattern = '^';
	let level = 0;
	let begin = 0;
	let last = 0;
	for (let i = 0; i < template.length; i++) {
		// Where both delimiters are the same, each one opens.
		if (template[i] === start) {
			if (++level === 1) begin = i;
		} else if (template[i] === end) {
			level--;
			if (level < 0) fail();
			if (level > 0) continue;
			const inner = template.slice(begin + 1, i);
			compile(`^${inner}$`);
			pattern += `${quoteMeta(template.slice(last, begin))}(${inner})`;
			last = i + 1;
		}
	}
	if (level !== 0) fail();
	return compile(`${pattern}${quoteMeta(template.slice(last))}$`);
}

function quoteMeta(text: string): string {
	return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
