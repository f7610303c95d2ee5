import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { marshalJson, unmarshalJson } from './go-json.ts';
import { fail, isObject } from './operands.ts';
import { parseSchema, type Schema } from './schema-parser.ts';
import { RemoteReferenceError, SchemaError } from './schema-pool.ts';
import { validate } from './schema-validator.ts';

export const jsonSchemaBuiltins = {
	'json.verify_schema': (_: BuiltinContext, schema: RegoValue) => {
		const problem = problemOf(() => parseSchema(documentOf(schema)));
		return problem === undefined ? [true, null] : [false, `jsonschema: ${problem}`];
	},
	'json.match_schema': (ctx: BuiltinContext, document: RegoValue, schema: RegoValue) => {
		const violations = orFail(() => validate(parsed(ctx, schema), documentOf(document)));
		return [violations.length === 0, violations.map(({ type, field, desc }) => ({ error: `${field}: ${desc}`, type, field, desc }))];
	},
};

/** A schema is often matched against many values in one evaluation, and costs more to parse than to use. */
function parsed(ctx: BuiltinContext, schema: RegoValue): Schema {
	const key = `schema ${marshalJson(schema)}`;
	const known = ctx.memo.get(key) as Schema | undefined;
	if (known) return known;
	const fresh = parseSchema(documentOf(schema));
	ctx.memo.set(key, fresh);
	return fresh;
}

/** JSON text, or an object or array; sets become arrays, other keys than strings their text. */
function documentOf(value: RegoValue): RegoValue {
	if (typeof value === 'string') {
		const document = unmarshalJson(value);
		if (document === undefined) throw new SchemaError('invalid JSON string');
		return document;
	}
	if (!Array.isArray(value) && !isObject(value)) throw new SchemaError('wrong type, expected string or object');
	return unmarshalJson(marshalJson(value)) ?? fail();
}

function problemOf(run: () => unknown): string | undefined {
	try {
		run();
		return undefined;
	} catch (error) {
		if (error instanceof SchemaError) return error.message;
		if (error instanceof RemoteReferenceError) return fail();
		throw error;
	}
}

function orFail<T>(run: () => T): T {
	try {
		return run();
	} catch (error) {
		if (error instanceof SchemaError || error instanceof RemoteReferenceError) return fail();
		throw error;
	}
}
