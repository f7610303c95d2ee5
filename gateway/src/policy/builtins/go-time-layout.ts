/** Go's reference-time layouts (`2006-01-02T15:04:05Z07:00`), the parts that formatting and parsing share. */

/** One element of a layout: literal text, then a chunk such as `2006` (empty at the end of the layout). */
export interface LayoutPart {
	readonly literal: string;
	readonly chunk: string;
}

// The alternatives stand in the order in which Go's nextStdChunk tries them.
const chunkPattern =
	/January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|[345]|PM|pm|-070000|-07:00:00|-0700|-07:00|-07|Z070000|Z07:00:00|Z0700|Z07:00|Z07|[.,](?:0+|9+)(?![0-9])/g;

/** Splits a layout into its parts; the last part has an empty chunk. */
export function splitLayout(layout: string): LayoutPart[] {
	const parts: LayoutPart[] = [];
	let end = 0;
	for (const match of layout.matchAll(chunkPattern)) {
		parts.push({ literal: layout.slice(end, match.index), chunk: match[0] });
		end = match.index + match[0].length;
	}
	parts.push({ literal: layout.slice(end), chunk: '' });
	return parts;
}

export const longMonths = [
	'January',
	'February',
	'March',
	'April',
	'May',
	'June',
	'July',
	'August',
	'September',
	'October',
	'November',
	'December',
];
export const longDays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** The layouts that OPA knows by the name of Go's constant. */
export const namedLayouts: ReadonlyMap<string, string> = new Map([
	['ANSIC', 'Mon Jan _2 15:04:05 2006'],
	['UnixDate', 'Mon Jan _2 15:04:05 MST 2006'],
	['RubyDate', 'Mon Jan 02 15:04:05 -0700 2006'],
	['RFC822', '02 Jan 06 15:04 MST'],
	['RFC822Z', '02 Jan 06 15:04 -0700'],
	['RFC850', 'Monday, 02-Jan-06 15:04:05 MST'],
	['RFC1123', 'Mon, 02 Jan 2006 15:04:05 MST'],
	['RFC1123Z', 'Mon, 02 Jan 2006 15:04:05 -0700'],
	['RFC3339', '2006-01-02T15:04:05Z07:00'],
	['RFC3339Nano', '2006-01-02T15:04:05.999999999Z07:00'],
]);
