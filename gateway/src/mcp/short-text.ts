import type { JsonValue } from '../domain.ts';

const MAX_CHARACTERS = 200;

/** What an agent calls itself, bounded; undefined where it is no text. */
export const shortText = (value: JsonValue | undefined): string | undefined =>
	typeof value === 'string' && value !== '' ? value.slice(0, MAX_CHARACTERS).toWellFormed() : undefined;
