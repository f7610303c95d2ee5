import type { BuiltinContext } from '../builtins.ts';
import { RegoSet, type RegoValue } from '../rego-value.ts';
import { arrayOf, fail, membersOf, objectOperand, stringOf } from './operands.ts';

/** The casts that OPA deprecated: the value itself where it already has the type. */
export const castBuiltins = {
	cast_array: (_: BuiltinContext, value: RegoValue) => membersOf(value),
	cast_set: (_: BuiltinContext, value: RegoValue) => (value instanceof RegoSet ? value : RegoSet.of(arrayOf(value))),
	cast_string: (_: BuiltinContext, value: RegoValue) => stringOf(value),
	cast_boolean: (_: BuiltinContext, value: RegoValue) => (typeof value === 'boolean' ? value : fail()),
	cast_object: (_: BuiltinContext, value: RegoValue) => objectOperand(value),
	cast_null: (_: BuiltinContext, value: RegoValue) => (value === null ? value : fail()),
};
