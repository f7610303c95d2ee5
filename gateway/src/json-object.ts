import type { JsonObject } from './domain.ts';

/** Told apart from null and from arrays. */
export function isObject(value: unknown): value is JsonObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}
