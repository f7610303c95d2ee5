import { RE2JS } from 're2js';
import type { JsonObject, JsonValue } from '../domain.ts';
import { PolicyError } from '../errors.ts';

/** Finds what a named pattern means in a text. Every implementation is linear in the length of the text. */
export interface Pattern {
	/** The text with each match replaced. */
	replace(text: string, replacement: (match: string) => string): string;
}

const native = (expression: RegExp, holds: (match: string) => boolean = () => true): Pattern => ({
	replace: (text, replacement) => text.replace(expression, (match) => (holds(match) ? replacement(match) : match)),
});

/** The check digit of payment cards (ISO/IEC 7812-1, annex B). */
function hasLuhnDigit(match: string): boolean {
	const digits = match.replace(/\D/g, '');
	let sum = 0;
	for (let index = 0; index < digits.length; index++) {
		const digit = Number(digits[digits.length - 1 - index]);
		const doubled = digit * 2;
		sum += index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
	}
	return sum % 10 === 0;
}

// Hyphens as people and word processors write them.
const DASH = '[-\\u2010-\\u2015\\u2212. ]';

/** The patterns that every gateway knows. Each match is of bounded length, so that no text can make one slow. */
export const shippedPatterns: Readonly<Record<string, Pattern>> = {
	'us-ssn': native(new RegExp(`(?<!\\d)(?!000|666|9\\d\\d)\\d{3}${DASH}(?!00)\\d{2}${DASH}(?!0000)\\d{4}(?!\\d)`, 'g')),
	'credit-card': native(/(?<!\d)\d(?:[- ]?\d){12,18}(?!\d)/g, hasLuhnDigit),
	email: native(/[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g),
	secret: native(
		/(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z_]{8,200}|whsec_[0-9A-Za-z+/=]{8,200}|AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{20,255}|github_pat_[0-9A-Za-z_]{20,255}|xox[abeoprs]-[0-9A-Za-z-]{10,255}|sk-[0-9A-Za-z_-]{20,255}|AIza[0-9A-Za-z_-]{35}|tg_[0-9A-Za-z]{40,64}|eyJ[0-9A-Za-z_-]{8,2000}\.eyJ[0-9A-Za-z_-]{8,4000}\.[0-9A-Za-z_-]{8,2000}|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8000}?-----END [A-Z ]{0,30}PRIVATE KEY-----/g,
	),
};

/** The patterns that a bundle names itself: `data.toolgate.patterns`, name → RE2 expression. @throws {PolicyError} */
export function namedPatterns({ toolgate }: JsonObject): Readonly<Record<string, string>> {
	const named = isObject(toolgate) ? toolgate['patterns'] : undefined;
	if (named === undefined) return {};
	if (!isObject(named)) throw new PolicyError('data.toolgate.patterns: expected names with RE2 expressions');
	for (const [name, expression] of Object.entries(named)) {
		if (typeof expression !== 'string') throw new PolicyError(`data.toolgate.patterns.${name}: expected an RE2 expression`);
		if (Object.hasOwn(shippedPatterns, name)) throw new PolicyError(`data.toolgate.patterns.${name}: the name belongs to a pattern that every gateway has`);
		compile(name, expression);
	}
	return named as Record<string, string>;
}

/** Patterns by name. Each is compiled when it is first looked for. */
export function patternsOf(named: Readonly<Record<string, string>>): Readonly<Record<string, Pattern>> {
	return Object.fromEntries(Object.entries(named).map(([name, expression]) => [name, ownPattern(name, expression)]));
}

function ownPattern(name: string, expression: string): Pattern {
	let compiled: RE2JS | undefined;
	return {
		replace(text, replacement) {
			compiled ??= compile(name, expression);
			const matcher = compiled.matcher(text);
			let result = '';
			let end = 0;
			while (matcher.find()) {
				if (matcher.end() === matcher.start()) continue;
				result += text.slice(end, matcher.start()) + replacement(matcher.group() ?? '');
				end = matcher.end();
			}
			return result + text.slice(end);
		},
	};
}

function compile(name: string, expression: string): RE2JS {
	try {
		return RE2JS.compile(expression);
	} catch (cause) {
		throw new PolicyError(`data.toolgate.patterns.${name} is not an RE2 expression`, { cause });
	}
}

function isObject(value: JsonValue | undefined): value is JsonObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
