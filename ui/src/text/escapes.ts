/** A piece of text from outside: as it is, or a character that a reader would not see or that would move others, written out. */
export interface Piece {
	readonly text: string;
	readonly isEscape: boolean;
}

/**
 * What Unicode calls control, format, private or ignorable characters, line and paragraph separators, every blank but the ordinary one, and halves of
 * characters. A line break is written out too, and breaks the line all the same.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}[\p{Zs}--\x20]]/gv;

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
