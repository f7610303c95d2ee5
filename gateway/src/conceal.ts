import type { JsonValue } from './domain.ts';
import { hasSecret, knownPatterns } from './known-patterns.ts';

/** Takes known secret formats out of what is recorded or shown. What has none comes back as it is. */
export interface Conceal {
	/** Every string in it, names of members too. */
	value<T extends JsonValue>(value: T): T;
	text(text: string): string;
}

/** What a match keeps before the secret itself, so that the text can still be read. */
const KEPT = /^(?::\/\/|[?&]\w+=|[Bb]earer )/;

/** @param substitute of a secret: in records its keyed digest, so that equal ones can be told */
export function createConceal(substitute: (secret: string) => string): Conceal {
	const text = (original: string): string =>
		hasSecret(original)
			? knownPatterns.secret.replace(original, (match) => {
					const kept = KEPT.exec(match)?.[0] ?? '';
					const isUrl = kept === '://';
					return kept + substitute(match.slice(kept.length, isUrl ? -1 : undefined)) + (isUrl ? '@' : '');
				})
			: original;

	const value = (original: JsonValue): JsonValue => {
		if (typeof original === 'string') return text(original);
		if (typeof original !== 'object' || original === null) return original;
		if (Array.isArray(original)) {
			const items = original.map(value);
			return items.some((item, n) => item !== original[n]) ? items : original;
		}
		const members = Object.entries(original).map(([name, member]) => [text(name), value(member)] as const);
		return members.some(([name, member]) => original[name] !== member) ? Object.fromEntries(members) : original;
	};
	return { text, value: value as Conceal['value'] };
}
