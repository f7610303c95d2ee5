import { longDays, longMonths, splitLayout } from './go-time-layout.ts';
import type { ZoneOffset } from './time-zone.ts';

/** A wall-clock reading: month 1-12, weekday 0 = Sunday, yearDay 1-366. */
export interface Civil {
	readonly year: number;
	readonly month: number;
	readonly day: number;
	readonly hour: number;
	readonly minute: number;
	readonly second: number;
	readonly nanosecond: number;
	readonly weekday: number;
	readonly yearDay: number;
}

/** Go's time.Format. */
export function formatTime(civil: Civil, offset: ZoneOffset, layout: string): string {
	return splitLayout(layout)
		.map(({ literal, chunk }) => literal + formatChunk(chunk, civil, offset))
		.join('');
}

function formatChunk(chunk: string, civil: Civil, offset: ZoneOffset): string {
	const hour12 = civil.hour % 12 || 12;
	switch (chunk) {
		case '':
			return '';
		case '2006':
			return pad(civil.year, 4);
		case '06':
			return pad(civil.year % 100, 2);
		case 'January':
			return longMonths[civil.month - 1] ?? '';
		case 'Jan':
			return (longMonths[civil.month - 1] ?? '').slice(0, 3);
		case '1':
			return String(civil.month);
		case '01':
			return pad(civil.month, 2);
		case 'Monday':
			return longDays[civil.weekday] ?? '';
		case 'Mon':
			return (longDays[civil.weekday] ?? '').slice(0, 3);
		case '2':
			return String(civil.day);
		case '_2':
			return String(civil.day).padStart(2);
		case '02':
			return pad(civil.day, 2);
		case '__2':
			return String(civil.yearDay).padStart(3);
		case '002':
			return pad(civil.yearDay, 3);
		case '15':
			return pad(civil.hour, 2);
		case '3':
			return String(hour12);
		case '03':
			return pad(hour12, 2);
		case '4':
			return String(civil.minute);
		case '04':
			return pad(civil.minute, 2);
		case '5':
			return String(civil.second);
		case '05':
			return pad(civil.second, 2);
		case 'PM':
			return civil.hour >= 12 ? 'PM' : 'AM';
		case 'pm':
			return civil.hour >= 12 ? 'pm' : 'am';
		case 'MST':
			return offset.abbreviation;
	}
	if (chunk.startsWith('.') || chunk.startsWith(',')) return formatFraction(chunk, civil.nanosecond);
	return formatOffset(chunk, offset.seconds);
}

function formatFraction(chunk: string, nanosecond: number): string {
	const digits = pad(nanosecond, 9)
		.padEnd(chunk.length - 1, '0')
		.slice(0, Math.min(chunk.length - 1, 9));
	if (chunk[1] === '0') return chunk[0] + digits;
	const trimmed = digits.replace(/0+$/, '');
	return trimmed === '' ? '' : chunk[0] + trimmed;
}

function formatOffset(chunk: string, seconds: number): string {
	if (chunk.startsWith('Z') && seconds === 0) return 'Z';
	// The sign is that of the whole minutes: Go writes +00:00 for an offset of -30 seconds.
	const minutes = Math.trunc(seconds / 60);
	const size = Math.abs(minutes);
	const parts = [(minutes < 0 ? '-' : '+') + pad(Math.floor(size / 60), 2)];
	if (chunk.length > 3) parts.push(pad(size % 60, 2));
	if (chunk.length > 6) parts.push(pad(formatSeconds(minutes, seconds), 2));
	return parts.join(chunk.includes(':') ? ':' : '');
}

function formatSeconds(minutes: number, seconds: number): number {
	return (minutes < 0 ? -seconds : seconds) % 60;
}

function pad(value: number, width: number): string {
	const digits = String(Math.abs(value)).padStart(width, '0');
	return value < 0 ? `-${digits}` : digits;
}
