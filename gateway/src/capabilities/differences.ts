import { canonicalJson } from '../canonical-json.ts';
import type { JsonObject, JsonValue } from '../domain.ts';
import { pointerOf } from '../json-pointer.ts';

/** One place where two versions of a definition differ. */
export interface Difference {
	/** JSON Pointer into the definition. */
	readonly pointer: string;
	/** Absent where it was added. */
	readonly before?: JsonValue;
	/** Absent where it was removed. */
	readonly after?: JsonValue;
}

/** Where two definitions differ, from the top, in the order of their keys. */
export function differences(before: JsonValue, after: JsonValue, path: readonly (string | number)[] = []): Difference[] {
	if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
		const [old, now] = [before as JsonObject, after as JsonObject];
		return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((key) => {
			const pointer = pointerOf([...path, key]);
			if (!Object.hasOwn(now, key)) return [{ pointer, before: old[key]! }];
			if (!Object.hasOwn(old, key)) return [{ pointer, after: now[key]! }];
			return differences(old[key]!, now[key]!, [...path, key]);
		});
	}
	return canonicalJson(before) === canonicalJson(after) ? [] : [{ pointer: pointerOf(path), before, after }];
}

const isContainer = (value: JsonValue): boolean => typeof value === 'object' && value !== null;

const FIELDS = ['title', 'description', 'inputSchema', 'outputSchema', 'annotations', 'icons', 'execution', '_meta'];

/** Which parts of a definition changed, in words of ours only: what an upstream wrote into a changed one must not reach a model. */
export function changedParts(found: readonly Difference[]): string {
	const fields = [...new Set(found.map(({ pointer }) => pointer.split('/', 2)[1] ?? ''))];
	const known = FIELDS.filter((field) => fields.includes(field));
	return [...known, ...(fields.length > known.length ? ['a field of its own'] : [])].join(', ');
}
