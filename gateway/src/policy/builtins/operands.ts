import type { Builtin, BuiltinContext } from '../builtins.ts';
import { type RegoObject, RegoSet, type RegoValue } from '../rego-value.ts';

/** What {@link fail} throws. One instance, made once: a builtin error is an ordinary end and must not cost a stack trace. */
class BuiltinFailure extends Error {}
const failure = new BuiltinFailure('builtin error');

/** Ends the running builtin with what OPA calls a builtin error. */
export function fail(): never {
	throw failure;
}

/** A builtin written with {@link fail} and the readers below, as the evaluator wants it: undefined where it failed. */
export function failingSoftly(builtin: (ctx: BuiltinContext, ...args: RegoValue[]) => RegoValue): Builtin {
	return (ctx, ...args) => {
		try {
			return builtin(ctx, ...args);
		} catch (error) {
			if (error === failure) return undefined;
			throw error;
		}
	};
}

/** The value, which may be null but must be there. */
export function present(value: RegoValue | undefined): RegoValue {
	return value === undefined ? fail() : value;
}

export type PlainObject = { [key: string]: RegoValue };

export function stringOf(value: RegoValue | undefined): string {
	return typeof value === 'string' ? value : fail();
}

export function arrayOf(value: RegoValue | undefined): RegoValue[] {
	return Array.isArray(value) ? value : fail();
}

export function isObject(value: RegoValue | undefined): value is RegoObject | PlainObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegoSet);
}

export function objectOperand(value: RegoValue | undefined): RegoObject | PlainObject {
	return isObject(value) ? value : fail();
}

/** The members of an array or set. */
export function membersOf(value: RegoValue | undefined): RegoValue[] {
	if (value instanceof RegoSet) return value.items;
	return arrayOf(value);
}

/** A Go `int`: an integer of 64 bits. */
export function int64Of(value: RegoValue | undefined): bigint {
	const integer = integerOf(value);
	return integer === BigInt.asIntN(64, integer) ? integer : fail();
}

/** An integer of any size. */
export function integerOf(value: RegoValue | undefined): bigint {
	if (typeof value === 'bigint') return value;
	return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : fail();
}

/** A Go `int` where only its sign and smaller values matter: clamped to what a JavaScript number holds exactly. */
export function countOf(value: RegoValue | undefined): number {
	const integer = int64Of(value);
	const limit = BigInt(Number.MAX_SAFE_INTEGER);
	return Number(integer > limit ? limit : integer < -limit ? -limit : integer);
}

/** The Rego number of an integer: exact, a bigint only where a double would lose digits. */
export function numberOf(integer: bigint): number | bigint {
	const number = Number(integer);
	return Number.isSafeInteger(number) ? number : integer;
}

/** Text from bytes that Go would keep in a string whatever they are; a Rego value here can only hold well-formed text. */
export function textOf(bytes: Uint8Array): string {
	try {
		return strictUtf8.decode(bytes);
	} catch {
		return fail();
	}
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
