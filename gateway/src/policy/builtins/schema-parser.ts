import { entriesOf, type RegoValue } from '../rego-value.ts';
import { marshalJson } from './go-json.ts';
import { isObject, type PlainObject } from './operands.ts';
import { compile, type Pattern } from './regex.ts';
import { type Draft, draftOf, SchemaError, SchemaPool } from './schema-pool.ts';

/** A parsed schema. Absent keywords are undefined, empty lists, or an empty map. */
export interface Schema {
	readonly property: string;
	draft: Draft;
	pass: boolean | undefined;
	reference: Schema | undefined;
	types: string[];
	properties: Schema[];
	additionalProperties: boolean | Schema | undefined;
	patternProperties: { pattern: Pattern; schema: Schema }[];
	propertyNames: Schema | undefined;
	dependencies: Map<string, string[] | Schema>;
	items: Schema[];
	isSingleItem: boolean;
	additionalItems: boolean | Schema | undefined;
	numbers: Partial<Record<NumberKeyword, number | bigint>>;
	counts: Partial<Record<CountKeyword, number>>;
	pattern: { text: string; pattern: Pattern } | undefined;
	format: string;
	required: string[];
	isUnique: boolean;
	contains: Schema | undefined;
	constant: string | undefined;
	enumeration: string[] | undefined;
	lists: Record<ListKeyword, Schema[]>;
	conditions: Partial<Record<ConditionKeyword, Schema>>;
}

export type NumberKeyword = 'multipleOf' | 'minimum' | 'exclusiveMinimum' | 'maximum' | 'exclusiveMaximum';
export type CountKeyword = 'minLength' | 'maxLength' | 'minProperties' | 'maxProperties' | 'minItems' | 'maxItems';
type ListKeyword = 'oneOf' | 'anyOf' | 'allOf';
type ConditionKeyword = 'not' | 'if' | 'then' | 'else';

const typeNames = ['array', 'boolean', 'integer', 'number', 'null', 'object', 'string'];

/** Parses a schema document; throws {@link SchemaError} with the first fault, in the order in which OPA's library looks. */
export function parseSchema(document: RegoValue): Schema {
	const pool = new SchemaPool(document);
	return new Parser(pool).parse(document, '(Root)', draftOf(document) ?? Infinity);
}

/** Values as compared by `enum`, `const` and `uniqueItems`: 1.0 is 1. */
export function canonicalText(value: RegoValue): string {
	return marshalJson(withDoubles(value));
}

function withDoubles(value: RegoValue): RegoValue {
	if (typeof value === 'bigint') return Number(value);
	if (Array.isArray(value)) return value.map(withDoubles);
	return isObject(value) ? Object.fromEntries(entriesOf(value).map(([key, member]) => [key, withDoubles(member)])) : value;
}

class Parser {
	readonly #pool: SchemaPool;
	readonly #references = new Map<string, Schema>();

	constructor(pool: SchemaPool) {
		this.#pool = pool;
	}

	parse(node: RegoValue, property: string, draft: Draft): Schema {
		return this.#fill(node, emptySchema(property, draft));
	}

	#fill(node: RegoValue, schema: Schema): Schema {
		if (schema.draft >= 6 && typeof node === 'boolean') {
			schema.pass = node;
			return schema;
		}
		if (!isObject(node)) throw new SchemaError('Expected: Valid Schema, given: Invalid JSON');
		const map = node as PlainObject;
		const idKey = schema.draft === 4 || (schema.draft === Infinity && map['id'] !== undefined) ? 'id' : '$id';
		text(map, idKey);
		this.#definitions(map, schema.draft);
		text(map, 'title');
		text(map, 'description');
		if (text(map, '$ref') !== undefined) {
			const reference = this.#pool.referenceOf(map) ?? '';
			const known = this.#references.get(reference);
			if (!known) {
				schema.reference = this.#referenced(reference, schema.draft);
				return schema;
			}
			schema.reference = known;
		}
		schema.types = typesOf(map['type']);
		this.#objectKeywords(map, schema);
		this.#arrayKeywords(map, schema);
		readNumbers(map, schema);
		readStrings(map, schema);
		readSizes(map, schema);
		this.#anyKeywords(map, schema);
		return schema;
	}

	#referenced(reference: string, draft: Draft): Schema {
		const schema = emptySchema('$ref', draft);
		// Known before it is parsed: a schema may refer to itself.
		this.#references.set(reference, schema);
		const found = this.#pool.find(reference);
		schema.draft = found.draft ?? draft;
		if (typeof found.document !== 'boolean' && !isObject(found.document)) throw new SchemaError('Valid Schema must be of type object');
		return this.#fill(found.document, schema);
	}

	#definitions(map: PlainObject, draft: Draft): void {
		const definitions = map['definitions'];
		if (definitions === undefined) return;
		if (!isObject(definitions)) throw invalidType('Array Of Schemas', 'definitions');
		for (const definition of Object.values(definitions as PlainObject)) {
			if (!isSchemaNode(definition)) throw invalidType('Array Of Schemas', 'definitions');
			this.parse(definition, 'definitions', draft);
		}
	}

	#objectKeywords(map: PlainObject, schema: Schema): void {
		const { draft } = schema;
		const { properties, additionalProperties, propertyNames, dependencies } = map;
		if (properties !== undefined) {
			if (!isObject(properties)) throw new SchemaError('Properties must be of type object');
			for (const [name, node] of entriesOf(properties)) schema.properties.push(this.parse(node, String(name), draft));
		}
		schema.additionalProperties = this.#booleanOrSchema(additionalProperties, 'additionalProperties', draft);
		const patterns = map['patternProperties'];
		if (patterns !== undefined) {
			if (!isObject(patterns)) throw invalidType('Valid Schema', 'patternProperties');
			for (const [name, node] of entriesOf(patterns)) {
				const pattern = tryCompile(String(name));
				if (!pattern) throw new SchemaError(`Invalid regex pattern '${String(name)}'`);
				schema.patternProperties.push({ pattern, schema: this.parse(node, String(name), draft) });
			}
		}
		if (propertyNames !== undefined && draft >= 6) {
			if (!isSchemaNode(propertyNames)) throw invalidType('Valid Schema', 'patternProperties');
			schema.propertyNames = this.parse(propertyNames, 'propertyNames', draft);
		}
		if (dependencies !== undefined) this.#dependencies(dependencies, schema);
	}

	#dependencies(node: RegoValue, schema: Schema): void {
		if (!isObject(node)) throw new SchemaError('dependencies must be of type object');
		const fault = new SchemaError('Dependency must be of type Schema Or Array Of Strings');
		for (const [name, dependency] of entriesOf(node)) {
			if (Array.isArray(dependency)) {
				if (dependency.some((other) => typeof other !== 'string')) throw fault;
				if (dependency.length > 0) schema.dependencies.set(String(name), dependency as string[]);
			} else if (isSchemaNode(dependency)) schema.dependencies.set(String(name), this.parse(dependency, String(name), schema.draft));
			else throw fault;
		}
	}

	#booleanOrSchema(node: RegoValue | undefined, keyword: string, draft: Draft): boolean | Schema | undefined {
		if (node === undefined || typeof node === 'boolean') return node;
		if (!isObject(node)) throw invalidType('boolean/Valid Schema', keyword);
		return this.parse(node, keyword, draft);
	}

	#arrayKeywords(map: PlainObject, schema: Schema): void {
		const { items } = map;
		if (items !== undefined) {
			schema.isSingleItem = !Array.isArray(items);
			for (const item of Array.isArray(items) ? items : [items]) {
				if (!isSchemaNode(item)) throw invalidType('Valid Schema/Array Of Schemas', 'items');
				schema.items.push(this.parse(item, 'items', schema.draft));
			}
		}
		schema.additionalItems = this.#booleanOrSchema(map['additionalItems'], 'additionalItems', schema.draft);
	}

	#anyKeywords(map: PlainObject, schema: Schema): void {
		const { draft } = schema;
		if (map['contains'] !== undefined && draft >= 6) schema.contains = this.parse(map['contains'], 'contains', draft);
		if (map['const'] !== undefined && draft >= 6) schema.constant = canonicalText(map['const']);
		const values = list(map, 'enum');
		if (values) schema.enumeration = uniqueTexts(values.map(canonicalText), 'enum');
		for (const keyword of ['oneOf', 'anyOf', 'allOf'] as const) {
			for (const node of list(map, keyword) ?? []) schema.lists[keyword].push(this.parse(node, keyword, draft));
		}
		for (const keyword of ['not', 'if', 'then', 'else'] as const) {
			const node = map[keyword];
			if (node === undefined || (keyword !== 'not' && draft < 7)) continue;
			if (!isSchemaNode(node)) throw new SchemaError(`${keyword} must be of an object`);
			schema.conditions[keyword] = this.parse(node, keyword, draft);
		}
	}
}

function emptySchema(property: string, draft: Draft): Schema {
	return {
		property,
		draft,
		pass: undefined,
		reference: undefined,
		types: [],
		properties: [],
		additionalProperties: undefined,
		patternProperties: [],
		propertyNames: undefined,
		dependencies: new Map(),
		items: [],
		isSingleItem: false,
		additionalItems: undefined,
		numbers: {},
		counts: {},
		pattern: undefined,
		format: '',
		required: [],
		isUnique: false,
		contains: undefined,
		constant: undefined,
		enumeration: undefined,
		lists: { oneOf: [], anyOf: [], allOf: [] },
		conditions: {},
	};
}

function typesOf(node: RegoValue | undefined): string[] {
	if (node === undefined) return [];
	const types = Array.isArray(node) ? node : [node];
	const seen: string[] = [];
	for (const type of types) {
		if (typeof type !== 'string') throw invalidType('type', 'string/Array Of Strings');
		if (!typeNames.includes(type)) {
			throw new SchemaError(
				`has a primitive type that is NOT VALID -- given: /${type}/ Expected valid values are:[${typeNames.join(' ')}]`,
			);
		}
		if (seen.includes(type)) throw new SchemaError(`${type} type is duplicated`);
		seen.push(type);
	}
	return seen;
}

function readNumbers(map: PlainObject, schema: Schema): void {
	const { multipleOf } = map;
	if (multipleOf !== undefined) {
		if (!isNumber(multipleOf)) throw invalidType('Number', 'multipleOf');
		if (multipleOf <= 0) throw new SchemaError('multipleOf must be strictly greater than 0');
		schema.numbers.multipleOf = multipleOf;
	}
	readBound(map, schema, 'minimum', 'exclusiveMinimum');
	readBound(map, schema, 'maximum', 'exclusiveMaximum');
}

/** The exclusive bound is a flag on the other in draft 4, a number of its own since draft 6, and may be either without a draft. */
function readBound(
	map: PlainObject,
	{ draft, numbers }: Schema,
	keyword: 'minimum' | 'maximum',
	exclusive: 'exclusiveMinimum' | 'exclusiveMaximum',
): void {
	const bound = map[keyword];
	if (bound !== undefined) numbers[keyword] = isNumber(bound) ? bound : mustBe(keyword, 'of a Number');
	const node = map[exclusive];
	if (node === undefined) return;
	if (typeof node === 'boolean' && (draft === 4 || draft === Infinity)) {
		if (bound === undefined) throw new SchemaError(`${exclusive} cannot be used without ${keyword}`);
		if (!node) return;
		numbers[exclusive] = numbers[keyword];
		delete numbers[keyword];
	} else if (isNumber(node) && draft !== 4) numbers[exclusive] = node;
	else throw invalidType(draft === 4 ? 'boolean' : draft === Infinity ? 'boolean/number' : 'number', exclusive);
}

function readStrings(map: PlainObject, schema: Schema): void {
	readCount(map, schema, 'minLength');
	readCount(map, schema, 'maxLength');
	checkOrder(schema, 'minLength', 'maxLength');
	const pattern = text(map, 'pattern');
	if (pattern !== undefined) schema.pattern = { text: pattern, pattern: tryCompile(pattern) ?? mustBe('pattern', 'a valid regex') };
	schema.format = text(map, 'format') ?? '';
}

function readSizes(map: PlainObject, schema: Schema): void {
	readCount(map, schema, 'minProperties');
	readCount(map, schema, 'maxProperties');
	checkOrder(schema, 'minProperties', 'maxProperties');
	for (const name of list(map, 'required') ?? []) {
		if (typeof name !== 'string') throw invalidType('string', 'required');
		schema.required = uniqueTexts([...schema.required, name], 'required');
	}
	readCount(map, schema, 'minItems');
	readCount(map, schema, 'maxItems');
	const { uniqueItems = false } = map;
	schema.isUnique = typeof uniqueItems === 'boolean' ? uniqueItems : mustBe('uniqueItems', 'of a boolean');
}

function readCount(map: PlainObject, schema: Schema, keyword: CountKeyword): void {
	const count = map[keyword];
	if (count === undefined) return;
	if (!isNumber(count) || !Number.isInteger(Number(count)) || BigInt(count) !== BigInt.asIntN(64, BigInt(count)))
		throw mustBe(keyword, 'of an integer');
	if (count < 0) throw mustBe(keyword, 'greater than or equal to 0');
	schema.counts[keyword] = Number(count);
}

function checkOrder({ counts }: Schema, low: CountKeyword, high: CountKeyword): void {
	if ((counts[low] ?? 0) > (counts[high] ?? Infinity)) throw new SchemaError(`${low} cannot be greater than ${high}`);
}

function uniqueTexts(texts: string[], keyword: string): string[] {
	if (new Set(texts).size < texts.length) throw new SchemaError(`${keyword} items must be unique`);
	return texts;
}

function text(map: PlainObject, keyword: string): string | undefined {
	const value = map[keyword];
	if (value === undefined || typeof value === 'string') return value;
	throw invalidType('string', keyword);
}

function list(map: PlainObject, keyword: string): RegoValue[] | undefined {
	const value = map[keyword];
	return value === undefined || Array.isArray(value) ? value : mustBe(keyword, 'of an array');
}

function isNumber(value: RegoValue): value is number | bigint {
	return typeof value === 'number' || typeof value === 'bigint';
}

function isSchemaNode(node: RegoValue): boolean {
	return typeof node === 'boolean' || isObject(node);
}

function mustBe(keyword: string, what: string): never {
	throw new SchemaError(`${keyword} must be ${what}`);
}

function invalidType(expected: string, given: string): SchemaError {
	return new SchemaError(`Invalid type. Expected: ${expected}, given: ${given}`);
}

function tryCompile(pattern: string): Pattern | undefined {
	try {
		return compile(pattern);
	} catch {
		return undefined;
	}
}
