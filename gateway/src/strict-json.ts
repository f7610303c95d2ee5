import { isUtf8 } from 'node:buffer';
import type { JsonValue } from './domain.ts';

/**
 * JSON read once, exactly or not at all. What two parsers could read differently is refused: the policy's view and the upstream's are
 * one object. The fast way is one scan of the text, `JSON.parse`, and one walk over its value; only when those disagree does a slow
 * walk over the text find where.
 */

export type StrictJsonCode =
	| 'invalid_utf8'
	| 'malformed'
	| 'duplicate_key'
	| 'forbidden_key'
	| 'too_deep'
	| 'too_many_members'
	| 'inexact_number'
	| 'lone_surrogate';

const SENTENCES: Record<Exclude<StrictJsonCode, 'malformed'>, string> = {
	invalid_utf8: 'not valid UTF-8',
	duplicate_key: 'the key occurs twice',
	forbidden_key: 'the key __proto__ is not accepted',
	too_deep: 'nested too deeply',
	too_many_members: 'too many object members',
	inexact_number: 'the number can not be kept exactly; send it as a string',
	lone_surrogate: 'the text holds half of a surrogate pair',
};

/** Keys are the sender's: a pointer made of them is cut, so that no error is as long as the text. */
const MAX_POINTER_LENGTH = 300;

export interface StrictLimits {
	/** Of arrays and objects within each other; a scalar has depth 0. */
	readonly maxDepth?: number;
	/** Members of all objects together: a million different keys take JSON.parse 0.4 s. */
	readonly maxMembers?: number;
}

/** Why bytes were refused. `pointer` is a JSON Pointer (RFC 6901); empty where the whole text is meant. */
export class StrictJsonError extends Error {
	override readonly name = 'StrictJsonError';
	readonly code: StrictJsonCode;
	readonly pointer: string;
	/** The sentence alone; `message` names the pointer too. */
	readonly says: string;
	/** What was read, where only a number or a text was inexact: good for answering whoever sent it, never for acting on. */
	readonly inexactValue?: JsonValue;
	constructor(code: StrictJsonCode, pointer: string, says: string, inexactValue?: JsonValue) {
		const where = pointer.length > MAX_POINTER_LENGTH ? `${pointer.slice(0, MAX_POINTER_LENGTH)}…` : pointer;
		super(where === '' ? says : `${says} (at ${where})`);
		this.code = code;
		this.pointer = where;
		this.says = says;
		if (inexactValue !== undefined) this.inexactValue = inexactValue;
	}
}

/** @throws {StrictJsonError} the bytes are not JSON, or JSON that could be read in two ways. Linear in the size of the text. */
export function parseStrict(bytes: Uint8Array, { maxDepth = 64, maxMembers = 200_000 }: StrictLimits = {}): JsonValue {
	if (!isUtf8(bytes)) throw new StrictJsonError('invalid_utf8', '', SENTENCES.invalid_utf8);
	const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
	// Before JSON.parse: what is nested 200,000 deep must not become objects.
	const scanned = scan(text, maxDepth);
	if (scanned.isTooDeep) throw locate(text, maxDepth);
	if (scanned.members > maxMembers) throw new StrictJsonError('too_many_members', '', SENTENCES.too_many_members);
	let value: JsonValue;
	try {
		value = JSON.parse(text) as JsonValue;
	} catch (error) {
		throw new StrictJsonError('malformed', '', (error as Error).message);
	}
	// JSON.parse keeps the last of equal keys, however they are escaped: fewer members than colons means that one was lost.
	const seen = { members: 0, isForbidden: false, isIllFormed: false };
	walk(value, scanned.hasSurrogateEscape, seen);
	if (seen.members !== scanned.members || seen.isForbidden || seen.isIllFormed || scanned.hasInexactNumber) {
		throw locate(text, maxDepth, value);
	}
	return value;
}

/**
 * Can this JSON number be kept? Yes when the double's shortest text has the same decimal value, and for a fraction below 2^53 that only
 * loses digits by ordinary rounding. No for an integer that changes, for overflow, and for underflow.
 */
export function isKeptExactly(numberText: string): boolean {
	const value = Number(numberText);
	if (!Number.isFinite(value)) return false;
	if (Number.isSafeInteger(value) && /^-?\d+$/.test(numberText)) return true;
	const sent = decimal(numberText);
	const kept = decimal(String(value));
	if (sent.digits === kept.digits && sent.exponent === kept.exponent) return true;
	const size = Math.abs(value);
	return sent.exponent < 0n && size < 2 ** 53 && size >= 2.2250738585072014e-308;
}

/** A number's decimal value: significant digits without zeros at either end, times ten to the exponent. No regular expressions: linear. */
function decimal(numberText: string): { digits: string; exponent: number } {
	const unsigned = numberText.startsWith('-') ? numberText.slice(1) : numberText;
	const [mantissa = '', exponentText = '0'] = unsigned.split(/[eE]/);
	const [whole = '', fraction = ''] = mantissa.split('.');
	const all = whole + fraction;
	let start = 0;
	let end = all.length;
	while (start < end && all[start] === '0') start++;
	while (end > start && all[end - 1] === '0') end--;
	if (start === end) return { digits: '', exponent: 0 };
	return { digits: all.slice(start, end), exponent: Number(exponentText) - fraction.length + (all.length - end) };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SMALL_U = 0x75;

interface Scanned {
	members: number;
	isTooDeep: boolean;
	hasSurrogateEscape: boolean;
	hasInexactNumber: boolean;
}

/** One pass over the text. Right for valid JSON; for anything else JSON.parse has the last word. */
function scan(text: string, maxDepth: number): Scanned {
	const found: Scanned = { members: 0, isTooDeep: false, hasSurrogateEscape: false, hasInexactNumber: false };
	let depth = 0;
	let nextEscape = indexOr(text, '\\', 0);
	for (let at = 0; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (code === QUOTE) {
			let end = indexOr(text, '"', at + 1);
			while (nextEscape < end) {
				if (text.charCodeAt(nextEscape + 1) === SMALL_U && (text.charCodeAt(nextEscape + 2) | 0x20) === 0x64)
					found.hasSurrogateEscape = true;
				if (nextEscape + 1 === end) end = indexOr(text, '"', end + 1);
				nextEscape = indexOr(text, '\\', nextEscape + 2);
			}
			at = end;
		} else if (code === COLON) {
			found.members++;
		} else if (code === 0x7b || code === 0x5b) {
			if (++depth > maxDepth) return { ...found, isTooDeep: true };
		} else if (code === 0x7d || code === 0x5d) {
			depth--;
		} else if (code === 0x2d || isDigit(code)) {
			const end = endOfNumber(text, at);
			// Up to 15 characters without an exponent every number is exact.
			if (end - at > 15 || hasExponent(text, at, end)) found.hasInexactNumber ||= !isKeptExactly(text.slice(at, end));
			at = end - 1;
		}
	}
	return found;
}

const indexOr = (text: string, what: string, from: number): number => {
	const at = text.indexOf(what, from);
	return at === -1 ? text.length : at;
};

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

function endOfNumber(text: string, start: number): number {
	let at = start;
	for (; at < text.length; at++) {
		const code = text.charCodeAt(at);
		if (!isDigit(code) && code !== 0x2d && code !== 0x2b && code !== 0x2e && (code | 0x20) !== 0x65) break;
	}
	return at;
}

function hasExponent(text: string, start: number, end: number): boolean {
	for (let at = start; at < end; at++) if ((text.charCodeAt(at) | 0x20) === 0x65) return true;
	return false;
}

interface Seen {
	members: number;
	isForbidden: boolean;
	isIllFormed: boolean;
}

function walk(value: JsonValue, hasSurrogateEscape: boolean, seen: Seen): void {
	if (typeof value === 'string') {
		if (hasSurrogateEscape && !value.isWellFormed()) seen.isIllFormed = true;
	} else if (Array.isArray(value)) {
		for (const item of value) walk(item, hasSurrogateEscape, seen);
	} else if (value !== null && typeof value === 'object') {
		for (const key in value) {
			seen.members++;
			if (key === '__proto__') seen.isForbidden = true;
			if (hasSurrogateEscape && !key.isWellFormed()) seen.isIllFormed = true;
			walk(value[key] as JsonValue, hasSurrogateEscape, seen);
		}
	}
}

/** The slow walk over a text that the scan found wanting: what is wrong and where. What can't be answered at all comes first. */
function locate(text: string, maxDepth: number, inexactValue?: JsonValue): StrictJsonError {
	let at = 0;
	let inexact: StrictJsonError | undefined;

	const fail = (code: keyof typeof SENTENCES, pointer: string): StrictJsonError => new StrictJsonError(code, pointer, SENTENCES[code]);
	const note = (code: 'inexact_number' | 'lone_surrogate', pointer: string): void => {
		inexact ??= new StrictJsonError(code, pointer, SENTENCES[code], inexactValue);
	};
	const skipSpace = (): void => {
		while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
	};
	const readString = (): string => {
		const start = at;
		for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
		at++;
		return JSON.parse(text.slice(start, at)) as string;
	};
	const readMembers = (pointer: string, depth: number): void => {
		const keys = new Set<string>();
		for (at++, skipSpace(); at < text.length && text[at] !== '}'; skipSpace()) {
			const key = readString();
			const where = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
			if (key === '__proto__') throw fail('forbidden_key', where);
			if (keys.has(key)) throw fail('duplicate_key', where);
			if (!key.isWellFormed()) note('lone_surrogate', where);
			keys.add(key);
			skipSpace();
			at++; // the colon
			readValue(where, depth);
			skipSpace();
			if (text[at] === ',') at++;
		}
		at++;
	};
	const readItems = (pointer: string, depth: number): void => {
		at++;
		skipSpace();
		for (let index = 0; at < text.length && text[at] !== ']'; index++) {
			readValue(`${pointer}/${index}`, depth);
			skipSpace();
			if (text[at] === ',') at++;
			skipSpace();
		}
		at++;
	};
	const readValue = (pointer: string, depth: number): void => {
		skipSpace();
		const first = text[at];
		if (first === '{' || first === '[') {
			if (depth === maxDepth) throw fail('too_deep', pointer);
			if (first === '{') readMembers(pointer, depth + 1);
			else readItems(pointer, depth + 1);
		} else if (first === '"') {
			if (!readString().isWellFormed()) note('lone_surrogate', pointer);
		} else if (first === 't' || first === 'n') {
			at += 4;
		} else if (first === 'f') {
			at += 5;
		} else {
			const start = at;
			at = endOfNumber(text, at);
			if (at === start) throw fail('too_deep', ''); // only text that is not JSON at all, and nested too deeply as well
			if (!isKeptExactly(text.slice(start, at))) note('inexact_number', pointer);
		}
	};

	try {
		readValue('', 0);
	} catch (error) {
		if (error instanceof StrictJsonError) return error;
		return fail('too_deep', ''); // a SyntaxError of a string inside text that is too deep and not JSON either
	}
	return inexact ?? fail('too_deep', '');
}
