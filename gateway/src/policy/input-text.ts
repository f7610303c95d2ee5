import { BadInput } from './evaluation-error.ts';
import { RegoObject, RegoSet, type RegoValue, toText } from './rego-value.ts';

/** Levels of arrays and objects. The module reads its input by recursion, and so does everything that a policy does with it. */
const maxDepth = 512;

type Flaw = { what: string; path: (string | number)[] };

/**
 * The text in which a value enters the module. Takes what JSON can say, `bigint`, and Rego's own sets and objects; a member that is
 * `undefined` is left out, as `JSON.stringify` does. Throws {@link BadInput} with the place for anything else, above all strings with
 * lone surrogates and numbers that are not finite, which the module would refuse by breaking.
 * @param name what the value is called in the message: `input` or `data`
 */
export function termText(value: unknown, name: string): string {
	const inspection = { beyondJson: false };
	const flaw = inspect(value, 0, inspection);
	if (flaw !== undefined) throw new BadInput(`${name}${pathText(flaw.path)} is ${flaw.what}`);
	return inspection.beyondJson ? toText(value as RegoValue) : JSON.stringify(value);
}

/** `termText` of an object. Anything else is a mistake of the caller's: an unparsed body, an absent value. */
export function objectText(value: unknown, name: string): string {
	if (!isPlainObject(value)) throw new BadInput(`${name} is ${kindOf(value)}, not a plain object`);
	return termText(value, name);
}

/** What is wrong with the value, if anything. The path is put together on the way out, so that good input pays nothing for it. */
function inspect(value: unknown, depth: number, inspection: { beyondJson: boolean }): Flaw | undefined {
	switch (typeof value) {
		case 'boolean':
			return undefined;
		case 'string':
			return value.isWellFormed() ? undefined : { what: 'not well-formed Unicode', path: [] };
		case 'number':
			return Number.isFinite(value) ? undefined : { what: `${value}, not a finite number`, path: [] };
		case 'bigint':
			inspection.beyondJson = true;
			return undefined;
		case 'object':
			break;
		default:
			return { what: kindOf(value), path: [] };
	}
	if (value === null) return undefined;
	if (depth === maxDepth) return { what: `nested deeper than ${maxDepth} levels`, path: [] };
	if (Array.isArray(value)) return inspectItems(value, depth, inspection);
	if (value instanceof RegoSet) {
		inspection.beyondJson = true;
		return inspectItems(value.items, depth, inspection);
	}
	if (value instanceof RegoObject) {
		inspection.beyondJson = true;
		return inspectItems(value.entries.flat(), depth, inspection);
	}
	if (!isPlainObject(value)) return { what: kindOf(value), path: [] };
	for (const key of Object.keys(value)) {
		if (!key.isWellFormed()) return { what: 'under a key that is not well-formed Unicode', path: [key] };
		const member = value[key];
		if (member === undefined) continue;
		const flaw = inspect(member, depth + 1, inspection);
		if (flaw !== undefined) return { what: flaw.what, path: [key, ...flaw.path] };
	}
	return undefined;
}

function inspectItems(items: unknown[], depth: number, inspection: { beyondJson: boolean }): Flaw | undefined {
	for (let i = 0; i < items.length; i++) {
		const flaw = inspect(items[i], depth + 1, inspection);
		if (flaw !== undefined) return { what: flaw.what, path: [i, ...flaw.path] };
	}
	return undefined;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
	if (typeof value !== 'object' || value === null) return false;
	const prototype = Object.getPrototypeOf(value);
	return prototype === Object.prototype || prototype === null;
}

function kindOf(value: unknown): string {
	if (value === null || value === undefined) return String(value);
	if (Array.isArray(value)) return 'an array';
	if (typeof value !== 'object') return `a ${typeof value}`;
	return `a ${value.constructor?.name || 'value without a type'}`;
}

/** The first few steps are enough to find the place; a hostile path may have thousands. */
function pathText(path: (string | number)[]): string {
	const shown = path.slice(0, 8).map((step) => (typeof step === 'number' ? `[${step}]` : `.${step.toWellFormed().slice(0, 40)}`));
	return shown.join('') + (path.length > 8 ? '…' : '');
}
