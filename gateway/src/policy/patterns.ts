import { RE2JS } from 're2js';
import type { JsonObject } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import { isObject } from '../json-object.ts';
import { knownPatterns, type Pattern } from '../known-patterns.ts';

export type { Pattern };
export const shippedPatterns: Readonly<Record<string, Pattern>> = knownPatterns;

/** The patterns that a bundle names itself: `data.toolgate.patterns`, name → RE2 expression. @throws {PolicyError} */
export function namedPatterns({ toolgate }: JsonObject): Readonly<Record<string, string>> {
	const named = isObject(toolgate) ? toolgate['patterns'] : undefined;
	if (named === undefined) return {};
	if (!isObject(named)) throw new PolicyError('data.toolgate.patterns: expected names with RE2 expressions');
	for (const [name, expression] of Object.entries(named)) {
		if (typeof expression !== 'string') throw new PolicyError(`data.toolgate.patterns.${name}: expected an RE2 expression`);
		if (Object.hasOwn(shippedPatterns, name))
			throw new PolicyError(`data.toolgate.patterns.${name}: the name belongs to a pattern that every gateway has`);
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
