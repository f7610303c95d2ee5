import { styleText } from 'node:util';

/** What commands print: one line per thing, aligned; colour only on a terminal. */

type Style = Parameters<typeof styleText>[0];

export const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** The colour of a word of the trail. Every word stands for itself; the colour only helps. */
export function paintWord(word: string): string {
	if (['allow', 'ok', 'approved', 'done'].includes(word)) return paint('green', word);
	if (['approvalRequired', 'pending', 'approval_pending', 'dispatched', 'replayed'].includes(word)) return paint('yellow', word);
	return paint('red', word);
}

const ESCAPE = String.fromCharCode(27);
const visibleLength = (text: string): number => text.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g'), '').length;

/** Rows as aligned columns, the header dimmed. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
	const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => visibleLength(row[column] ?? ''))));
	const line = (cells: readonly string[]) =>
		cells.map((cell, column) => (column === cells.length - 1 ? cell : cell + ' '.repeat(widths[column]! - visibleLength(cell)))).join('  ');
	return [paint('dim', line(header)), ...rows.map(line)].join('\n');
}

/** What a terminal obeys, or doesn't show: controls, directions, joiners, fillers, variation selectors and tags. */
const UNSEEN =
	// oxlint-disable-next-line no-misleading-character-class -- each of these is meant by itself
	/[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Text from outside, safe on a terminal: what could not be seen is shown as an escape. */
export function safe(text: string): string {
	return text.replaceAll(UNSEEN, (character) => {
		const code = character.codePointAt(0)!.toString(16);
		return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
	});
}

/** The value as JSON that says the same to a machine, and is safe on a terminal: what could not be seen stands there as an escape. */
export const jsonText = (value: unknown, indent?: number): string =>
	JSON.stringify(value, undefined, indent).replaceAll(UNSEEN, (character) =>
		character === '\n'
			? character // between members; within texts it is an escape already
			: character
					.split('')
					.map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
					.join(''),
	);

/** "4 min ago", "in 12 s". */
export function relativeTime(ms: number, nowMs: number = Date.now()): string {
	const seconds = Math.round(Math.abs(ms - nowMs) / 1000);
	const amount =
		seconds < 90
			? `${seconds} s`
			: seconds < 5400
				? `${Math.round(seconds / 60)} min`
				: seconds < 129_600
					? `${Math.round(seconds / 3600)} h`
					: `${Math.round(seconds / 86_400)} d`;
	return ms > nowMs ? `in ${amount}` : `${amount} ago`;
}
