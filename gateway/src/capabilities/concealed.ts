import type { JsonValue } from '../domain.ts';
import { pointerOf } from '../json-pointer.ts';

/** Scripts that are written with joiners and non-joiners inside words. */
const JOINING = 'Arab Syrc Mong Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr Mymr'
	.split(' ')
	.map((script) => `\\p{Script=${script}}`)
	.join('');

/**
 * Characters that a model reads and a person does not see: controls, tags, zero-width and bidirectional controls, fillers, and variation
 * selectors that vary nothing. Joiners inside emoji and joining scripts, and one selector after what it can vary, are ordinary writing.
 */
const CONCEALED = new RegExp(
	[
		'[\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f]',
		'[\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]',
		'[\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e007f}]',
		`(?<![\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f${JOINING}])\\u200d`,
		`\\u200d(?![\\p{Extended_Pictographic}${JOINING}])`,
		`(?<![${JOINING}])\\u200c`,
		'(?<!\\p{Emoji})[\\ufe0e\\ufe0f]',
		'[\\ufe00-\\ufe0d]',
		'(?<!\\p{Script=Han})[\\u{e0100}-\\u{e01ef}]',
	].join('|'),
	'u',
);

export interface Concealment {
	/** JSON Pointer to the text; to the object where it is a key. */
	readonly pointer: string;
	/** `U+E0041`. */
	readonly codePoint: string;
}

/** The first concealed character in a value's texts and keys, or undefined. */
export function findConcealed(value: JsonValue, path: readonly (string | number)[] = []): Concealment | undefined {
	if (typeof value === 'string') return inText(value, path);
	if (value === null || typeof value !== 'object') return undefined;
	for (const [key, member] of Object.entries(value)) {
		const found = inText(key, path) ?? findConcealed(member, [...path, key]);
		if (found !== undefined) return found;
	}
	return undefined;
}

function inText(text: string, path: readonly (string | number)[]): Concealment | undefined {
	const hidden = CONCEALED.exec(text)?.[0];
	if (hidden === undefined) return undefined;
	return { pointer: pointerOf(path), codePoint: `U+${hidden.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}` };
}
