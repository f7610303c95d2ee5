import type { Pattern } from './known-patterns.ts';

/** Digits with single separators, as people and word processors write them. No points: decimals are not cards. */
const RUN = /\d(?:[-\u2010-\u2015\u2212 \u00a0]?\d)*/g;
const GROUP = /\d+/g;
const MIN_DIGITS = 13;
const MAX_DIGITS = 19;
/** What card numbers begin with (ISO/IEC 7812-1); times in milliseconds, for one, begin with 1. */
const ISSUERS = /^[2-6]/;

/**
 * Numbers of payment cards. A run of digits is looked at in every way in which its groups can be put together, since a date or an amount
 * may stand beside the number; whatever belongs to some card number goes.
 */
export const cardNumbers: Pattern = {
	replace: (text, replacement) => text.replace(RUN, (run) => replaceIn(run, replacement)),
};

function replaceIn(run: string, replacement: (match: string) => string): string {
	if (run.length < MIN_DIGITS) return run;
	let result = '';
	let end = 0;
	for (const [from, to] of spansIn(run)) {
		result += run.slice(end, from) + replacement(run.slice(from, to));
		end = to;
	}
	return result + run.slice(end);
}

/** Where card numbers begin and end; those that overlap as one. */
function spansIn(run: string): [from: number, to: number][] {
	const groups = [...run.matchAll(GROUP)].map(({ 0: digits, index }) => ({ digits, from: index, to: index + digits.length }));
	const spans: [number, number][] = [];
	for (const [index, { from }] of groups.entries()) {
		let digits = '';
		let to: number | undefined;
		for (const group of groups.slice(index, index + MAX_DIGITS)) {
			digits += group.digits;
			if (digits.length > MAX_DIGITS) break;
			if (digits.length >= MIN_DIGITS && ISSUERS.test(digits) && hasLuhnDigit(digits)) to = group.to;
		}
		if (to === undefined) continue;
		const last = spans.at(-1);
		if (last !== undefined && from < last[1]) last[1] = Math.max(last[1], to);
		else spans.push([from, to]);
	}
	return spans;
}

/** The check digit of payment cards (ISO/IEC 7812-1, annex B). */
function hasLuhnDigit(digits: string): boolean {
	let sum = 0;
	for (let index = 0; index < digits.length; index++) {
		const digit = Number(digits[digits.length - 1 - index]);
		const doubled = digit * 2;
		sum += index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
	}
	return sum % 10 === 0;
}
