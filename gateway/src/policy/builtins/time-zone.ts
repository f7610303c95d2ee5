import { createRequire } from 'node:module';

/** A zone's offset in force at an instant: seconds east of UTC and the abbreviation (`CET`, or `+03` where there is none). */
export interface ZoneOffset {
	readonly seconds: number;
	readonly abbreviation: string;
}

/** A zone of the tz database. Transitions reach to 2499, beyond the last nanosecond that fits 64 bits. */
export interface Zone {
	/** The offset in force at a Unix time in seconds. */
	at(unixSeconds: number): ZoneOffset;
}

interface PackedZones {
	zones: string[];
	links: string[];
}

export const utc: Zone = { at: () => ({ seconds: 0, abbreviation: 'UTC' }) };

// moment-timezone is read as a data file only: Intl has neither abbreviations nor case-sensitive names.
let packed: Map<string, string> | undefined;
const loaded = new Map<string, Zone>();

/** The zone of that exact (case-sensitive) tz name, or undefined. */
export function findZone(name: string): Zone | undefined {
	const known = loaded.get(name);
	if (known) return known;
	packed ??= readPacked();
	const text = packed.get(name);
	if (text === undefined) return undefined;
	const zone = unpackZone(text);
	loaded.set(name, zone);
	return zone;
}

function readPacked(): Map<string, string> {
	const { zones, links } = createRequire(import.meta.url)('moment-timezone/data/packed/latest.json') as PackedZones;
	const byName = new Map(zones.map((text) => [text.slice(0, text.indexOf('|')), text]));
	for (const link of links) {
		const [target = '', alias = ''] = link.split('|');
		const text = byName.get(target);
		if (text !== undefined) byName.set(alias, text);
	}
	return byName;
}

// Fields: name | abbreviations | offsets, minutes west | index of the type per period | minutes between transitions | population.
function unpackZone(text: string): Zone {
	const [, abbreviations = '', offsets = '', indices = '', gaps = ''] = text.split('|');
	const names = abbreviations.split(' ');
	const types = offsets.split(' ').map((offset, i): ZoneOffset => {
		const abbreviation = names[i] ?? '';
		return { seconds: Math.round(-base60(offset) * 60), abbreviation };
	});
	const periods = Array.from(indices, (digit) => types[base60(digit)] ?? { seconds: 0, abbreviation: 'UTC' });
	let minutes = 0;
	const transitions =
		gaps === ''
			? []
			: gaps.split(' ').map((gap) => {
					minutes += base60(gap);
					return Math.round(minutes * 60);
				});
	return {
		at(unixSeconds) {
			let low = 0;
			let high = transitions.length;
			while (low < high) {
				const middle = (low + high) >> 1;
				if ((transitions[middle] ?? Infinity) <= unixSeconds) low = middle + 1;
				else high = middle;
			}
			return periods[Math.min(low, periods.length - 1)] ?? { seconds: 0, abbreviation: 'UTC' };
		},
	};
}

/** moment-timezone's numbers: digits 0-9, a-z, A-X, an optional fraction in sixtieths. */
function base60(text: string): number {
	const negative = text.startsWith('-');
	const [whole = '', fraction = ''] = (negative ? text.slice(1) : text).split('.');
	let value = 0;
	for (const digit of whole) value = value * 60 + digitOf(digit);
	let place = 1;
	for (const digit of fraction) value += digitOf(digit) * (place /= 60);
	return negative ? -value : value;
}

function digitOf(digit: string): number {
	const code = digit.charCodeAt(0);
	return code >= 97 ? code - 87 : code >= 65 ? code - 29 : code - 48;
}
