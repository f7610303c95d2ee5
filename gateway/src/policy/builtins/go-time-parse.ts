import { longDays, longMonths, splitLayout } from './go-time-layout.ts';

// Go measures a layout element against the bytes that are left; every element is ASCII, so comparing UTF-16 units gives the same answers.

interface Fields {
	year: number;
	month: number;
	day: number;
	yearDay: number;
	hour: number;
	minute: number;
	second: number;
	nanosecond: number;
	half: 'am' | 'pm' | undefined;
	isUtc: boolean;
	offsetSeconds: number | undefined;
}

/**
 * Go's time.Parse with a local zone of UTC: nanoseconds since 1970, or undefined where Go has an error.
 * A zone abbreviation other than UTC is read and, as Go does where the zone isn't the local one, taken for offset 0.
 */
export function parseTime(layout: string, value: string): bigint | undefined {
	const fields: Fields = {
		year: 0,
		month: -1,
		day: -1,
		yearDay: -1,
		hour: 0,
		minute: 0,
		second: 0,
		nanosecond: 0,
		half: undefined,
		isUtc: false,
		offsetSeconds: undefined,
	};
	const parts = splitLayout(layout);
	let rest: string | undefined = value;
	for (const [i, { literal, chunk }] of parts.entries()) {
		rest = skipLiteral(rest, literal);
		if (rest === undefined) return undefined;
		if (chunk === '') return rest === '' ? toNanoseconds(fields) : undefined;
		rest = parseChunk(chunk, rest, fields, parts[i + 1]?.chunk ?? '');
		if (rest === undefined) return undefined;
	}
	return undefined;
}

/** Spaces in the layout match any number of spaces, also none at the end of the value. */
function skipLiteral(value: string, literal: string): string | undefined {
	let rest = value;
	for (let i = 0; i < literal.length; i++) {
		if (literal[i] === ' ') {
			if (rest !== '' && !rest.startsWith(' ')) return undefined;
			while (literal[i + 1] === ' ') i++;
			rest = rest.replace(/^ +/, '');
			continue;
		}
		if (rest[0] !== literal[i]) return undefined;
		rest = rest.slice(1);
	}
	return rest;
}

function parseChunk(chunk: string, value: string, fields: Fields, following: string): string | undefined {
	switch (chunk) {
		case '06':
			return takeYear(value, fields);
		case '2006':
			return takeNumber(value, /^[0-9]{4}/, 0, 9999, (n) => (fields.year = n));
		case 'Jan':
			return takeName(value, longMonths, 3, (i) => (fields.month = i + 1));
		case 'January':
			return takeName(value, longMonths, 9, (i) => (fields.month = i + 1));
		case '1':
			return takeNumber(value, /^[0-9]{1,2}/, 1, 12, (n) => (fields.month = n));
		case '01':
			return takeNumber(value, /^[0-9]{2}/, 1, 12, (n) => (fields.month = n));
		case 'Mon':
			return takeName(value, longDays, 3, () => 0);
		case 'Monday':
			return takeName(value, longDays, 9, () => 0);
		case '2':
			return takeNumber(value, /^[0-9]{1,2}/, 0, 99, (n) => (fields.day = n));
		case '_2':
			return takeNumber(value.replace(/^ /, ''), /^[0-9]{1,2}/, 0, 99, (n) => (fields.day = n));
		case '02':
			return takeNumber(value, /^[0-9]{2}/, 0, 99, (n) => (fields.day = n));
		case '__2':
			return takeNumber(value.replace(/^ {1,2}/, ''), /^[0-9]{1,3}/, 0, 999, (n) => (fields.yearDay = n));
		case '002':
			return takeNumber(value, /^[0-9]{3}/, 0, 999, (n) => (fields.yearDay = n));
		case '15':
			return takeNumber(value, /^[0-9]{1,2}/, 0, 23, (n) => (fields.hour = n));
		case '3':
			return takeNumber(value, /^[0-9]{1,2}/, 0, 12, (n) => (fields.hour = n));
		case '03':
			return takeNumber(value, /^[0-9]{2}/, 0, 12, (n) => (fields.hour = n));
		case '4':
			return takeNumber(value, /^[0-9]{1,2}/, 0, 59, (n) => (fields.minute = n));
		case '04':
			return takeNumber(value, /^[0-9]{2}/, 0, 59, (n) => (fields.minute = n));
		case '5':
			return takeSecond(
				takeNumber(value, /^[0-9]{1,2}/, 0, 59, (n) => (fields.second = n)),
				fields,
				following,
			);
		case '05':
			return takeSecond(
				takeNumber(value, /^[0-9]{2}/, 0, 59, (n) => (fields.second = n)),
				fields,
				following,
			);
		case 'PM':
			return takeHalf(value, 'AM', 'PM', fields);
		case 'pm':
			return takeHalf(value, 'am', 'pm', fields);
		case 'MST':
			return takeZoneName(value, fields);
	}
	if (chunk.startsWith('.') || chunk.startsWith(',')) return takeFraction(chunk, value, fields);
	if (chunk.startsWith('Z') && value.startsWith('Z')) {
		fields.isUtc = true;
		return value.slice(1);
	}
	return takeOffset(chunk, value, fields);
}

function takeNumber(value: string, pattern: RegExp, low: number, high: number, set: (n: number) => unknown): string | undefined {
	const digits = pattern.exec(value)?.[0];
	if (digits === undefined || Number(digits) < low || Number(digits) > high) return undefined;
	set(Number(digits));
	return value.slice(digits.length);
}

// Go reads the two characters with a sign allowed ("+5"), and its rule for the century comes after.
function takeYear(value: string, fields: Fields): string | undefined {
	const text = /^(?:[0-9]{2}|[-+][0-9])/.exec(value)?.[0];
	if (text === undefined) return undefined;
	fields.year = Number(text) + (Number(text) >= 69 ? 1900 : 2000);
	return value.slice(2);
}

function takeName(value: string, names: readonly string[], length: number, set: (index: number) => unknown): string | undefined {
	for (const [i, name] of names.entries()) {
		const wanted = name.slice(0, length);
		if (value.slice(0, wanted.length).toLowerCase() === wanted.toLowerCase()) {
			set(i);
			return value.slice(wanted.length);
		}
	}
	return undefined;
}

// A fraction may follow the seconds even if the layout has none next.
function takeSecond(value: string | undefined, fields: Fields, following: string): string | undefined {
	if (value === undefined || !/^[.,][0-9]/.test(value) || /^[.,]/.test(following)) return value;
	const text = /^[.,][0-9]+/.exec(value)?.[0] ?? '';
	fields.nanosecond = fractionOf(text);
	return value.slice(text.length);
}

function takeFraction(chunk: string, value: string, fields: Fields): string | undefined {
	if (chunk[1] === '9') {
		const text = /^[.,][0-9]+/.exec(value)?.[0] ?? '';
		if (text !== '') fields.nanosecond = fractionOf(text);
		return value.slice(text.length);
	}
	// Only the first nine characters are read, a sign among them; what follows is skipped unread, as in Go.
	const [text, sign = '', digits = ''] = /^[.,]([-+]?)([0-9]*)$/.exec(value.slice(0, Math.min(chunk.length, 10))) ?? [];
	if (text === undefined || value.length < chunk.length || (sign === '-' && Number(digits) > 0)) return undefined;
	fields.nanosecond = Number(digits) * 10 ** (9 - sign.length - digits.length);
	return value.slice(chunk.length);
}

function fractionOf(text: string): number {
	return Number(text.slice(1, 10).padEnd(9, '0'));
}

function takeHalf(value: string, am: string, pm: string, fields: Fields): string | undefined {
	const text = value.slice(0, 2);
	if (text === pm) fields.half = 'pm';
	// Go keeps "pm" if both were seen.
	else if (text === am) fields.half ??= 'am';
	else return undefined;
	return value.slice(2);
}

const offsetPatterns: ReadonlyMap<number, RegExp> = new Map([
	[3, /^([-+])([0-9]{2})/],
	[5, /^([-+])([0-9]{2})([0-9]{2})/],
	[6, /^([-+])([0-9]{2}):([0-9]{2})/],
	[7, /^([-+])([0-9]{2})([0-9]{2})([0-9]{2})/],
	[9, /^([-+])([0-9]{2}):([0-9]{2}):([0-9]{2})/],
]);

function takeOffset(chunk: string, value: string, fields: Fields): string | undefined {
	const match = offsetPatterns.get(chunk.length)?.exec(value);
	if (!match) return undefined;
	const [text, sign, hours, minutes = '0', seconds = '0'] = match;
	if (Number(hours) > 24 || Number(minutes) > 60 || Number(seconds) > 60) return undefined;
	const offset = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
	fields.offsetSeconds = sign === '-' ? -offset : offset;
	return value.slice(text.length);
}

function takeZoneName(value: string, fields: Fields): string | undefined {
	if (value.startsWith('UTC')) {
		fields.isUtc = true;
		return value.slice(3);
	}
	const name = zoneNameOf(value);
	return name === undefined ? undefined : value.slice(name.length);
}

function zoneNameOf(value: string): string | undefined {
	if (value.length < 3) return undefined;
	if (/^(?:ChST|MeST)/.test(value)) return value.slice(0, 4);
	if (value.startsWith('GMT')) return `GMT${signedHours(value.slice(3)) ?? ''}`;
	if (/^[-+]/.test(value)) return signedHours(value);
	const upper = /^[A-Z]{0,6}/.exec(value)?.[0] ?? '';
	if (upper.length === 5 && upper.endsWith('T')) return upper;
	if (upper.length === 4 && (upper.endsWith('T') || upper === 'WITA')) return upper;
	return upper.length === 3 ? upper : undefined;
}

function signedHours(value: string): string | undefined {
	const text = /^[-+][0-9]+/.exec(value)?.[0];
	return text !== undefined && Number(text.slice(1)) <= 23 ? text : undefined;
}

function toNanoseconds(fields: Fields): bigint | undefined {
	const hour = fields.half === 'pm' && fields.hour < 12 ? fields.hour + 12 : fields.half === 'am' && fields.hour === 12 ? 0 : fields.hour;
	const date = dateOf(fields);
	if (!date) return undefined;
	const clock = new Date(0);
	clock.setUTCFullYear(fields.year, date.month - 1, date.day);
	clock.setUTCHours(hour, fields.minute, fields.second);
	// An offset of -1 second is how Go says "none".
	const offset = fields.isUtc || fields.offsetSeconds === undefined || fields.offsetSeconds === -1 ? 0 : fields.offsetSeconds;
	return BigInt(clock.getTime() / 1000 - offset) * 1_000_000_000n + BigInt(fields.nanosecond);
}

function dateOf({ year, month, day, yearDay }: Fields): { month: number; day: number } | undefined {
	if (yearDay >= 0) {
		if (yearDay < 1 || yearDay > daysInYear(year)) return undefined;
		const found = new Date(0);
		found.setUTCFullYear(year, 0, yearDay);
		const date = { month: found.getUTCMonth() + 1, day: found.getUTCDate() };
		return (month >= 0 && month !== date.month) || (day >= 0 && day !== date.day) ? undefined : date;
	}
	const date = { month: month < 0 ? 1 : month, day: day < 0 ? 1 : day };
	return date.day < 1 || date.day > daysInMonth(year, date.month) ? undefined : date;
}

function daysInMonth(year: number, month: number): number {
	const last = new Date(0);
	last.setUTCFullYear(year, month, 0);
	return last.getUTCDate();
}

function daysInYear(year: number): number {
	return daysInMonth(year, 2) + 337;
}
