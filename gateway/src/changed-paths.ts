import type { JsonValue } from './domain.ts';
import { pointerOf } from './json-pointer.ts';

const isObject = (value: JsonValue | undefined): value is { [name: string]: JsonValue } =>
	typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * JSON Pointers to what is not in `changed` as it was in `original`. Where a name itself was changed, the object that it stood in: the name may be
 * what must not be told.
 */
export function changedPaths(original: JsonValue, changed: JsonValue | undefined, steps: readonly (string | number)[] = []): string[] {
	if (Object.is(original, changed)) return [];
	if (Array.isArray(original) && Array.isArray(changed) && original.length === changed.length) {
		return original.flatMap((item, n) => changedPaths(item, changed[n], [...steps, n]));
	}
	if (isObject(original) && isObject(changed) && Object.keys(changed).every((name) => Object.hasOwn(original, name))) {
		return Object.entries(original).flatMap(([name, member]) =>
			changedPaths(member, Object.hasOwn(changed, name) ? changed[name] : undefined, [...steps, name]),
		);
	}
	return [pointerOf(steps)];
}
