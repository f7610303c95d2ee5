import { type AnySchemaObject, Ajv, type ErrorObject, type KeywordDefinition, type Options, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { fullFormats, type FormatName } from 'ajv-formats/dist/formats.js';
import { RE2JS } from 're2js';
import { canonicalJson } from '../canonical-json.ts';
import type { ArgumentProblem, JsonObject, JsonValue } from '../domain.ts';

/** A tool's schemas, compiled. */
export interface ToolSchemas {
	/** The first problem of the arguments, or undefined. Never throws. */
	validate(args: JsonObject): ArgumentProblem | undefined;
	/** Whether a result's structured content fits the output schema; true where there is none. Never throws. */
	fitsOutput(structuredContent: JsonValue | undefined): boolean;
}

/** A schema that can't be used. `message` is in words of ours; `cause` has the detail. */
export class SchemaRefused extends Error {
	override readonly name = 'SchemaRefused';
}

const MAX_MESSAGE_LENGTH = 300;

/** Formats whose test is linear. `regex` is none: it would compile the arguments' own expressions. */
const FORMATS: readonly FormatName[] = [
	'date',
	'time',
	'date-time',
	'duration',
	'email',
	'hostname',
	'ipv4',
	'ipv6',
	'uuid',
	'uri',
	'uri-reference',
	'json-pointer',
];

/** `pattern` and `patternProperties` come from upstreams and run on what agents send: RE2 takes linear time whatever both of them say. */
function linearRegExp(pattern: string) {
	const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
	return { test: (text: string) => compiled.matcher(text).find() };
}
linearRegExp.code = 'linearRegExp';

/** Ajv compares every item with every other. */
const uniqueItems: KeywordDefinition = {
	keyword: 'uniqueItems',
	type: 'array',
	schemaType: 'boolean',
	validate: (isWanted: boolean, items: JsonValue[]) => !isWanted || new Set(items.map(canonicalJson)).size === items.length,
	error: { message: 'must NOT have duplicate items' },
};

const OPTIONS: Options = {
	strict: false,
	logger: false,
	allErrors: false,
	// Compiling the meta-schema costs 14 ms; a keyword of the wrong type is refused all the same.
	validateSchema: false,
	ownProperties: true,
	code: { regExp: linearRegExp },
	formats: Object.fromEntries(FORMATS.map((name) => [name, fullFormats[name]])),
};

const DIALECTS: Record<string, new (options: Options) => Ajv> = {
	'https://json-schema.org/draft/2020-12/schema': Ajv2020 as unknown as typeof Ajv,
	'http://json-schema.org/draft-07/schema': Ajv,
};
const DEFAULT_DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/**
 * Compiles the schemas of a tool's definition. Each in a validator of its own, so that no `$id` of one upstream means anything to another.
 * The output schema is compiled at its first use, because most are never used: one that can't be compiled fits nothing.
 * @throws {SchemaRefused} the input schema can't be used.
 */
export function compileSchemas({ inputSchema, outputSchema }: JsonObject): ToolSchemas {
	if (inputSchema === undefined) throw new SchemaRefused('it has no input schema');
	const input = compile(inputSchema);
	let output: ValidateFunction | undefined;
	return {
		validate(args) {
			try {
				return input(args) ? undefined : problemOf(input.errors ?? []);
			} catch {
				// A schema that refers to itself without end overflows the stack.
				return { pointer: '', message: 'the schema of the tool can not judge them' };
			}
		},
		fitsOutput(structuredContent) {
			if (outputSchema === undefined) return true;
			try {
				output ??= compile(outputSchema);
				return output(structuredContent);
			} catch {
				return false;
			}
		},
	};
}

function compile(schema: JsonValue): ValidateFunction {
	const refuse = (why: string, cause?: unknown) => new SchemaRefused(`its schema ${why}`, { cause });
	if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw refuse('is not an object');
	const { $schema = DEFAULT_DIALECT } = schema;
	const Dialect = typeof $schema === 'string' ? DIALECTS[$schema.replace(/#$/, '')] : undefined;
	if (Dialect === undefined) throw refuse('is of a dialect other than 2020-12 and draft-07');
	// An asynchronous schema answers with a promise, which is true.
	if ('$async' in schema) throw refuse('is asynchronous');
	try {
		const ajv = new Dialect(OPTIONS).removeKeyword('uniqueItems').addKeyword(uniqueItems);
		return ajv.compile(schema as AnySchemaObject);
	} catch (cause) {
		const { name, message } = cause as Error;
		if ((cause as object).constructor.name === 'MissingRefError') throw refuse('refers to something outside itself', cause);
		if (name.startsWith('RE2JS')) throw refuse('has a pattern that does not run in linear time', cause);
		throw refuse('can not be compiled', new Error(message.slice(0, MAX_MESSAGE_LENGTH)));
	}
}

function problemOf(errors: readonly ErrorObject[]): ArgumentProblem {
	const last = errors.at(-1);
	// Of alternatives the last error speaks for all of them, and the first only for one.
	const isAlternative = last?.keyword === 'anyOf' || last?.keyword === 'oneOf';
	const error = isAlternative ? last : errors[0];
	if (error === undefined) return { pointer: '', message: 'they do not fit' };
	const reasons = isAlternative ? [...new Set(errors.slice(0, -1).map(sentence))].slice(0, 4) : [];
	const message = `${sentence(error)}${reasons.length === 0 ? '' : ` (${reasons.join('; ')})`}`;
	return { pointer: cut(error.instancePath), message: cut(message) };
}

function sentence({ keyword, message = 'does not fit', params }: ErrorObject): string {
	switch (keyword) {
		case 'additionalProperties':
		case 'unevaluatedProperties':
			return `must not have the property ${JSON.stringify(Object.values(params)[0])}`;
		case 'enum':
			return `must be one of ${JSON.stringify(params['allowedValues'])}`;
		case 'const':
			return `must be ${JSON.stringify(params['allowedValue'])}`;
		default:
			return message;
	}
}

const cut = (text: string): string => (text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text);
