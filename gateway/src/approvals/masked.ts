import type { JsonObject, JsonValue } from '../domain.ts';
import { pointerOf } from '../json-pointer.ts';

/** So many are told apart; a person reads no more. */
const MAX_POINTERS = 100;

/** Where the recorded arguments say something else than what will be sent: JSON Pointers, the outermost first. */
export function maskedPointers(sent: JsonObject, recorded: JsonObject): string[] {
	const found: string[] = [];
	const compare = (a: JsonValue | undefined, b: JsonValue | undefined, steps: readonly (string | number)[]): void => {
		if (a === b || found.length >= MAX_POINTERS) return;
		if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
			for (const [place, item] of a.entries()) compare(item, b[place], [...steps, place]);
		} else if (isObject(a) && isObject(b)) {
			for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) compare(ownOf(a, name), ownOf(b, name), [...steps, name]);
		} else {
			found.push(pointerOf(steps));
		}
	};
	compare(sent, recorded, []);
	return found;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
	typeof value === 'object' && value !== null && !Array.isArray(value);
const ownOf = (object: JsonObject, name: string): JsonValue | undefined => (Object.hasOwn(object, name) ? object[name] : undefined);
