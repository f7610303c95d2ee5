import type { JsonObject } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';

/** The members of a JSON body, none of them unknown. @throws {ToolGateError} BAD_INPUT naming the field. */
export function fields(body: unknown, known: readonly string[]): JsonObject {
	const value = body ?? {};
	if (typeof value !== 'object' || Array.isArray(value)) throw new ToolGateError('BAD_INPUT', 'the body is not a JSON object');
	const unknown = Object.keys(value).find((key) => !known.includes(key));
	if (unknown !== undefined) throw new ToolGateError('BAD_INPUT', `${unknown}: unknown field; expected ${known.join(', ') || 'none'}`);
	return value as JsonObject;
}

export function optionalText(body: JsonObject, name: string, maxCharacters = 1000): string | undefined {
	const value = body[name];
	if (value === undefined) return undefined;
	if (typeof value !== 'string' || value.length > maxCharacters)
		throw new ToolGateError('BAD_INPUT', `${name}: expected a text of at most ${maxCharacters} characters`);
	return value;
}

export function requiredText(body: JsonObject, name: string, maxCharacters = 200): string {
	const value = optionalText(body, name, maxCharacters);
	if (value === undefined || value.trim() === '') throw new ToolGateError('BAD_INPUT', `${name}: expected a text`);
	return value;
}

export function requiredFlag(body: JsonObject, name: string): boolean {
	const value = body[name];
	if (typeof value !== 'boolean') throw new ToolGateError('BAD_INPUT', `${name}: expected true or false`);
	return value;
}
