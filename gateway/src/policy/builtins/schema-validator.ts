import { compare, compareStrings, type RegoValue } from '../rego-value.ts';
import { formatFloat } from './go-float.ts';
import { fail, isObject, type PlainObject } from './operands.ts';
import { isMatch } from './regex.ts';
import { hasFormat } from './schema-formats.ts';
import { canonicalText, type Schema } from './schema-parser.ts';
import { isMultipleOf } from './units.ts';

/** One violation, in the words of OPA's library. */
export interface Violation {
	readonly type: string;
	readonly field: string;
	readonly desc: string;
}

/** Pairs of schema and value that one validation may look at, and how deep: a schema may refer to itself without end. */
const maxSteps = 100_000;
const maxDepth = 500;

/** What of a JSON document a schema refuses; properties are looked at in the order of their names. */
export function validate(schema: Schema, document: RegoValue): Violation[] {
	const result = new Validation();
	new Validator().check(schema, document, result, '(Root)');
	return result.violations;
}

/** Violations, and how well the value fitted: for `anyOf` and its like the best misfit is reported. */
class Validation {
	readonly violations: Violation[] = [];
	score = 0;

	add(type: string, path: string, desc: string): void {
		this.violations.push({ type, field: path.replace(/^\(Root\)\./, ''), desc });
		this.score -= 2;
	}

	merge(other: Validation): void {
		this.violations.push(...other.violations);
		this.score += other.score;
	}

	get isValid(): boolean {
		return this.violations.length === 0;
	}
}

class Validator {
	#steps = 0;
	#depth = 0;

	check(schema: Schema, node: RegoValue, result: Validation, path: string): void {
		if (++this.#steps > maxSteps || this.#depth >= maxDepth) fail();
		this.#depth++;
		this.#checkOne(schema, node, result, path);
		this.#depth--;
	}

	#checkOne(schema: Schema, node: RegoValue, result: Validation, path: string): void {
		if (schema.pass !== undefined) {
			if (!schema.pass) result.add('false', path, 'False always fails validation');
			return;
		}
		if (schema.reference) return this.check(schema.reference, node, result, path);
		const given = typeNameOf(node);
		const isFitting = schema.types.length === 0 || schema.types.includes(given) || (given === 'integer' && schema.types.includes('number'));
		if (!isFitting) {
			const expected = schema.types.length > 1 ? `[${schema.types.join()}]` : schema.types[0];
			return result.add('invalid_type', path, `Invalid type. Expected: ${expected}, given: ${given}`);
		}
		this.#combined(schema, node, result, path);
		if (Array.isArray(node)) this.#array(schema, node, result, path);
		else if (isObject(node)) this.#object(schema, node as PlainObject, result, path);
		else if (typeof node === 'number' || typeof node === 'bigint') checkNumber(schema, node, result, path);
		checkCommon(schema, node, result, path);
		if (typeof node === 'string') checkString(schema, node, result, path);
		if (isObject(node)) this.#properties(schema, node as PlainObject, result, path);
		result.score++;
	}

	#apart(schema: Schema, node: RegoValue, path: string): Validation {
		const result = new Validation();
		this.check(schema, node, result, path);
		return result;
	}

	#combined(schema: Schema, node: RegoValue, result: Validation, path: string): void {
		const { anyOf, oneOf, allOf } = schema.lists;
		if (anyOf.length > 0) this.#anyOf(anyOf, node, result, path);
		if (oneOf.length > 0) this.#oneOf(oneOf, node, result, path);
		if (allOf.length > 0) {
			const parts = allOf.map((part) => this.#apart(part, node, path));
			for (const part of parts) result.merge(part);
			if (parts.some((part) => !part.isValid)) result.add('number_all_of', path, 'Must validate all the schemas (allOf)');
		}
		const { not, if: condition, then: consequence, else: alternative } = schema.conditions;
		if (not && this.#apart(not, node, path).isValid) result.add('number_not', path, 'Must not validate the schema (not)');
		if (isObject(node)) this.#dependencies(schema, node as PlainObject, result, path);
		if (condition) {
			const isMet = this.#apart(condition, node, path).isValid;
			const branch = isMet ? consequence : alternative;
			const outcome = branch && this.#apart(branch, node, path);
			if (outcome && !outcome.isValid) {
				const [type, desc] = isMet
					? ['condition_then', 'Must validate "then" as "if" was valid']
					: ['condition_else', 'Must validate "else" as "if" was not valid'];
				result.add(type ?? '', path, desc ?? '');
				result.merge(outcome);
			}
		}
		result.score++;
	}

	#anyOf(parts: readonly Schema[], node: RegoValue, result: Validation, path: string): void {
		let best: Validation | undefined;
		for (const part of parts) {
			const outcome = this.#apart(part, node, path);
			if (outcome.isValid) return;
			if (!best || outcome.score > best.score) best = outcome;
		}
		result.add('number_any_of', path, 'Must validate at least one schema (anyOf)');
		if (best) result.merge(best);
	}

	#oneOf(parts: readonly Schema[], node: RegoValue, result: Validation, path: string): void {
		let count = 0;
		let best: Validation | undefined;
		for (const part of parts) {
			const outcome = this.#apart(part, node, path);
			if (outcome.isValid) count++;
			else if (count === 0 && (!best || outcome.score > best.score)) best = outcome;
		}
		if (count === 1) return;
		result.add('number_one_of', path, 'Must validate one and only one schema (oneOf)');
		if (count === 0 && best) result.merge(best);
	}

	#dependencies(schema: Schema, node: PlainObject, result: Validation, path: string): void {
		for (const key of schema.dependencies.size === 0 ? [] : keysOf(node)) {
			const dependency = schema.dependencies.get(key);
			if (Array.isArray(dependency)) {
				for (const other of dependency)
					if (!Object.hasOwn(node, other)) result.add('missing_dependency', path, `Has a dependency on ${other}`);
			} else if (dependency) this.check(dependency, node, result, path);
		}
	}

	#array(schema: Schema, node: readonly RegoValue[], result: Validation, path: string): void {
		const { items, additionalItems, counts } = schema;
		for (const [i, element] of node.entries()) {
			const part = schema.isSingleItem
				? items[0]
				: i < items.length
					? items[i]
					: items.length > 0 && typeof additionalItems === 'object'
						? additionalItems
						: undefined;
			if (part) result.merge(this.#apart(part, element, `${path}.${i}`));
		}
		if (!schema.isSingleItem && items.length > 0 && items.length < node.length && additionalItems === false) {
			result.add('array_no_additional_items', path, 'No additional items allowed on array');
		}
		if (node.length < (counts.minItems ?? 0)) result.add('array_min_items', path, `Array must have at least ${counts.minItems} items`);
		if (node.length > (counts.maxItems ?? Infinity))
			result.add('array_max_items', path, `Array must have at most ${counts.maxItems} items`);
		if (schema.isUnique) checkUnique(node, result, path);
		if (schema.contains) this.#contains(schema.contains, node, result, path);
		result.score++;
	}

	#contains(part: Schema, node: readonly RegoValue[], result: Validation, path: string): void {
		let best: Validation | undefined;
		for (const [i, element] of node.entries()) {
			const outcome = this.#apart(part, element, `${path}.${i}`);
			if (outcome.isValid) return;
			if (!best || outcome.score > best.score) best = outcome;
		}
		result.add('contains', path, 'At least one of the items must match');
		if (best) result.merge(best);
	}

	#object(schema: Schema, node: PlainObject, result: Validation, path: string): void {
		const keys = keysOf(node);
		const { counts } = schema;
		if (keys.length < (counts.minProperties ?? 0))
			result.add('array_min_properties', path, `Must have at least ${counts.minProperties} properties`);
		if (keys.length > (counts.maxProperties ?? Infinity))
			result.add('array_max_properties', path, `Must have at most ${counts.maxProperties} properties`);
		for (const name of schema.required) {
			if (Object.hasOwn(node, name)) result.score++;
			else result.add('required', path, `${name} is required`);
		}
		const named = new Set(schema.properties.map(({ property }) => property));
		for (const key of keys) {
			const isPatterned = this.#patternProperties(schema, key, node[key] ?? null, result, path);
			if (!named.has(key) && !isPatterned) this.#additionalProperty(schema.additionalProperties, key, node[key] ?? null, result, path);
		}
		if (schema.propertyNames) this.#propertyNames(schema.propertyNames, keys, result, path);
		result.score++;
	}

	#patternProperties(schema: Schema, key: string, value: RegoValue, result: Validation, path: string): boolean {
		const fitting = schema.patternProperties.filter(({ pattern }) => isMatch(pattern, key));
		for (const { schema: part } of fitting) result.merge(this.#apart(part, value, `${path}.${key}`));
		if (fitting.length > 0) result.score++;
		return fitting.length > 0;
	}

	#additionalProperty(rule: boolean | Schema | undefined, key: string, value: RegoValue, result: Validation, path: string): void {
		if (rule === false) result.add('additional_property_not_allowed', path, `Additional property ${key} is not allowed`);
		else if (typeof rule === 'object') result.merge(this.#apart(rule, value, `${path}.${key}`));
	}

	#propertyNames(part: Schema, keys: readonly string[], result: Validation, path: string): void {
		for (const key of keys) {
			const outcome = this.#apart(part, key, path);
			if (outcome.isValid) continue;
			result.add('invalid_property_name', path, `Property name of "${key}" does not match`);
			result.merge(outcome);
		}
	}

	#properties(schema: Schema, node: PlainObject, result: Validation, path: string): void {
		for (const part of schema.properties) {
			if (Object.hasOwn(node, part.property)) this.check(part, node[part.property] ?? null, result, `${path}.${part.property}`);
		}
	}
}

function typeNameOf(node: RegoValue): string {
	if (node === null) return 'null';
	if (Array.isArray(node)) return 'array';
	if (typeof node === 'bigint') return 'integer';
	return typeof node === 'number' && Number.isInteger(node) ? 'integer' : typeof node;
}

function keysOf(node: PlainObject): string[] {
	return Object.keys(node).sort(compareStrings);
}

function checkUnique(node: readonly RegoValue[], result: Validation, path: string): void {
	const seen = new Map<string, number>();
	for (const [j, element] of node.entries()) {
		const text = canonicalText(element);
		const i = seen.get(text);
		if (i !== undefined) result.add('unique', path, `array items[${i},${j}] must be unique`);
		seen.set(text, j);
	}
}

function checkCommon({ constant, enumeration, format }: Schema, node: RegoValue, result: Validation, path: string): void {
	const field = path.replace(/^\(Root\)\./, '');
	const text = constant === undefined && enumeration === undefined ? '' : canonicalText(node);
	if (constant !== undefined && text !== constant) result.add('const', path, `${field} does not match: ${constant}`);
	if (enumeration && !enumeration.includes(text))
		result.add('enum', path, `${field} must be one of the following: ${enumeration.join(', ')}`);
	if (format !== '' && typeof node === 'string' && !hasFormat(node, format))
		result.add('format', path, `Does not match format '${format}'`);
	result.score++;
}

function checkString({ counts, pattern }: Schema, node: string, result: Validation, path: string): void {
	const length = Array.from(node).length;
	if (length < (counts.minLength ?? 0))
		result.add('string_gte', path, `String length must be greater than or equal to ${counts.minLength}`);
	if (length > (counts.maxLength ?? Infinity))
		result.add('string_lte', path, `String length must be less than or equal to ${counts.maxLength}`);
	if (pattern && !isMatch(pattern.pattern, node)) result.add('pattern', path, `Does not match pattern '${pattern.text}'`);
	result.score++;
}

function checkNumber({ numbers }: Schema, node: number | bigint, result: Validation, path: string): void {
	const { multipleOf, maximum, exclusiveMaximum, minimum, exclusiveMinimum } = numbers;
	if (multipleOf !== undefined && !isMultipleOf(node, multipleOf))
		result.add('multiple_of', path, `Must be a multiple of ${short(multipleOf)}`);
	if (maximum !== undefined && compare(node, maximum) > 0)
		result.add('number_lte', path, `Must be less than or equal to ${short(maximum)}`);
	if (exclusiveMaximum !== undefined && compare(node, exclusiveMaximum) >= 0)
		result.add('number_lt', path, `Must be less than ${short(exclusiveMaximum)}`);
	if (minimum !== undefined && compare(node, minimum) < 0)
		result.add('number_gte', path, `Must be greater than or equal to ${short(minimum)}`);
	if (exclusiveMinimum !== undefined && compare(node, exclusiveMinimum) <= 0)
		result.add('number_gt', path, `Must be greater than ${short(exclusiveMinimum)}`);
	result.score++;
}

/** A bound as it stands in a message: ten digits, as Go's big.Float prints itself. */
function short(bound: number | bigint): string {
	return formatFloat(Number(bound), 'g', 10);
}
