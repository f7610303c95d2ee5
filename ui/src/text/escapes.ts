/** A piece of text from outside: as it is, or a character that a reader would not see or that would move others, written out. */
export interface Piece {
	readonly text: string;
	readonly isEscape: boolean;
}

/**
 * Control characters, bidirectional marks, zero-width and other invisible characters, tags, variation selectors and lone surrogates. A line
 * break is written out too, and breaks the line all the same.
 */
const HIDDEN =
	/[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;

const NAMES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

export function piecesOf(text: string): Piece[] {
	const pieces: Piece[] = [];
	let from = 0;
	for (const { 0: character, index } of text.matchAll(HIDDEN)) {
		if (index > from) pieces.push({ text: text.slice(from, index), isEscape: false });
		pieces.push({ text: escapeOf(character), isEscape: true });
		from = index + character.length;
	}
	if (from < text.length) pieces.push({ text: text.slice(from), isEscape: false });
	return pieces;
}

const escapeOf = (character: string): string => NAMES[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`;
