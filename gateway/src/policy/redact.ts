import type { JsonObject, JsonValue, Redaction } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import { pointerSteps } from '../json-pointer.ts';
import type { Pattern } from './patterns.ts';

const EVERY_STRING_BELOW = '**';
const MAX_PASSES = 16;

export interface RedactOptions {
	/** @throws {PolicyError} no such pattern. */
	pattern(name: string): Pattern;
	keyedDigest(value: JsonValue): string;
}

/**
 * A copy of `value` with the redactions applied; parts that nothing touches are shared with the original.
 * `remove` deletes a member, and leaves null in an array, so that the others keep their places.
 * @throws {PolicyError} a path is no JSON Pointer, or a pattern is unknown.
 */
export function redact(value: JsonObject, redactions: readonly Redaction[], options: RedactOptions): JsonObject {
	let current: JsonValue = value;
	// Deletions last: they must not hide a value from a redaction that still has to see it.
	const ordered = [...redactions].sort((a, b) => Number(a.mode === 'remove') - Number(b.mode === 'remove'));
	for (const redaction of ordered) {
		const steps = stepsOf(redaction);
		const pattern = redaction.match === undefined ? undefined : options.pattern(redaction.match);
		const replaced = at(current, steps, (found, isBelow) => replace(found, isBelow, redaction, pattern, options));
		current = replaced ?? {};
	}
	return typeof current === 'object' && current !== null && !Array.isArray(current) ? current : {};
}

/** @throws {PolicyError} the path is not one of a redaction. */
export function stepsOf({ path }: Redaction): string[] {
	const steps = pointerSteps(path);
	if (steps === undefined) throw new PolicyError(`the redaction path ${path} is not a JSON Pointer`);
	// Taken for a name it would find nothing, and redact nothing.
	if (steps.slice(0, -1).includes(EVERY_STRING_BELOW)) throw new PolicyError(`the redaction path ${path} goes on after /**`);
	return steps;
}

type Change = (found: JsonValue, isBelow: boolean) => JsonValue | undefined;

/** Applies `change` where the steps lead; undefined means: delete it. */
function at(value: JsonValue, steps: readonly string[], change: Change): JsonValue | undefined {
	const [step, ...rest] = steps;
	if (step === undefined) return change(value, false);
	if (step === EVERY_STRING_BELOW && rest.length === 0) return change(value, true);
	if (Array.isArray(value)) {
		const index = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : -1;
		if (index < 0 || index >= value.length) return value;
		return value.with(index, at(value[index]!, rest, change) ?? null);
	}
	if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return value;
	const changed = at(value[step]!, rest, change);
	const { [step]: _, ...others } = value;
	return changed === undefined ? others : { ...value, [step]: changed };
}

function replace(
	found: JsonValue,
	isBelow: boolean,
	{ mode, match }: Redaction,
	pattern: Pattern | undefined,
	{ keyedDigest }: RedactOptions,
): JsonValue | undefined {
	const label = match ?? 'value';
	const substitute = (part: JsonValue): string => (mode === 'mask' ? `[${label} masked]` : mode === 'hash' ? keyedDigest(part) : '');
	if (!isBelow && pattern === undefined) return mode === 'remove' ? undefined : substitute(found);
	const inText = (text: string): string =>
		pattern === undefined ? substitute(text) : mode === 'remove' ? without(text, pattern) : pattern.replace(text, substitute);
	return eachString(found, inText, pattern !== undefined);
}

/** What stands around a match may be one too when the match is gone. @throws {PolicyError} there is no end to it. */
function without(text: string, pattern: Pattern): string {
	let rest = text;
	for (let pass = 0; pass < MAX_PASSES; pass++) {
		const before = rest;
		rest = pattern.replace(before, () => '');
		if (rest === before) return rest;
	}
	throw new PolicyError(`a text is made of matches within matches, more than ${MAX_PASSES} deep`);
}

/** Every string below, keys too where a pattern is looked for: a secret as a key is a secret. Whole numbers are looked at as they are written. */
function eachString(value: JsonValue, inText: (text: string) => string, withKeys: boolean): JsonValue {
	if (typeof value === 'string') return inText(value);
	if (Number.isInteger(value) && withKeys) {
		const text = String(value);
		const changed = inText(text);
		return changed === text ? value : changed;
	}
	if (Array.isArray(value)) return value.map((item) => eachString(item, inText, withKeys));
	if (value === null || typeof value !== 'object') return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [withKeys ? inText(key) : key, eachString(item, inText, withKeys)]));
}
