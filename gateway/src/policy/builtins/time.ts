import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { parseDuration } from './go-duration.ts';
import { type Civil, formatTime } from './go-time-format.ts';
import { longDays, namedLayouts } from './go-time-layout.ts';
import { parseTime } from './go-time-parse.ts';
import { arrayOf, fail, int64Of, numberOf, stringOf } from './operands.ts';
import { findZone, utc, type Zone } from './time-zone.ts';

const nsPerSecond = 1_000_000_000n;

/** An instant in a zone, and the layout to print it with ('' where none was given). */
interface ZonedTime {
	readonly ns: bigint;
	readonly zone: Zone;
	readonly layout: string;
}

export const timeBuiltins = {
	'time.now_ns': (ctx: BuiltinContext) => numberOf(ctx.nowNs),
	'time.parse_ns': (_: BuiltinContext, layout: RegoValue, value: RegoValue) => {
		const format = stringOf(layout);
		return instant(parseTime(namedLayouts.get(format) ?? format, stringOf(value)));
	},
	'time.parse_rfc3339_ns': (_: BuiltinContext, value: RegoValue) => instant(parseTime('2006-01-02T15:04:05Z07:00', stringOf(value))),
	'time.parse_duration_ns': (_: BuiltinContext, text: RegoValue) => numberOf(parseDuration(stringOf(text))),
	'time.format': (_: BuiltinContext, operand: RegoValue) => {
		const time = zonedTimeOf(operand);
		const layout = time.layout === '' ? 'RFC3339Nano' : time.layout;
		return formatTime(civilOf(time), time.zone.at(secondsOf(time.ns)), namedLayouts.get(layout) ?? layout);
	},
	'time.date': (_: BuiltinContext, operand: RegoValue) => {
		const { year, month, day } = civilOf(zonedTimeOf(operand));
		return [year, month, day];
	},
	'time.clock': (_: BuiltinContext, operand: RegoValue) => {
		const { hour, minute, second } = civilOf(zonedTimeOf(operand));
		return [hour, minute, second];
	},
	'time.weekday': (_: BuiltinContext, operand: RegoValue) => longDays[civilOf(zonedTimeOf(operand)).weekday] ?? fail(),
	'time.add_date': (_: BuiltinContext, operand: RegoValue, years: RegoValue, months: RegoValue, days: RegoValue) =>
		instant(addDate(zonedTimeOf(operand), Number(int64Of(years)), Number(int64Of(months)), Number(int64Of(days)))),
	'time.diff': (_: BuiltinContext, a: RegoValue, b: RegoValue) => diff(zonedTimeOf(a), zonedTimeOf(b)),
};

/** The instant as a Rego number; fails where it doesn't fit 64 bits of nanoseconds (1677 to 2262). */
function instant(ns: bigint | undefined): RegoValue {
	if (ns === undefined || ns !== BigInt.asIntN(64, ns)) return fail();
	return numberOf(ns);
}

/** Reads `ns` or `[ns, zone, layout]`. */
function zonedTimeOf(operand: RegoValue): ZonedTime {
	if (typeof operand === 'number' || typeof operand === 'bigint') return { ns: int64Of(operand), zone: utc, layout: '' };
	const [ns, zone = '', layout = ''] = arrayOf(operand);
	return { ns: int64Of(ns), zone: zoneOf(stringOf(zone)), layout: stringOf(layout) };
}

/** Fails for `Local`: a decision must not depend on the machine's own zone. */
function zoneOf(name: string): Zone {
	return name === '' || name === 'UTC' ? utc : (findZone(name) ?? fail());
}

function secondsOf(ns: bigint): number {
	const remainder = ((ns % nsPerSecond) + nsPerSecond) % nsPerSecond;
	return Number((ns - remainder) / nsPerSecond);
}

function civilOf({ ns, zone }: ZonedTime): Civil {
	const seconds = secondsOf(ns);
	const wall = new Date((seconds + zone.at(seconds).seconds) * 1000);
	const year = wall.getUTCFullYear();
	return {
		year,
		month: wall.getUTCMonth() + 1,
		day: wall.getUTCDate(),
		hour: wall.getUTCHours(),
		minute: wall.getUTCMinutes(),
		second: wall.getUTCSeconds(),
		nanosecond: Number(ns - BigInt(seconds) * nsPerSecond),
		weekday: wall.getUTCDay(),
		yearDay: Math.floor((wall.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1,
	};
}

function addDate(time: ZonedTime, years: number, months: number, days: number): bigint {
	const civil = civilOf(time);
	const month = civil.month - 1 + months;
	const wall = Date.UTC(
		civil.year + years + Math.floor(month / 12),
		((month % 12) + 12) % 12,
		civil.day + days,
		civil.hour,
		civil.minute,
		civil.second,
	);
	if (Number.isNaN(wall)) fail();
	// As Go's time.Date does: the offset at the wall time read as UTC, corrected once.
	const guess = wall / 1000 - time.zone.at(wall / 1000).seconds;
	return BigInt(wall / 1000 - time.zone.at(guess).seconds) * nsPerSecond + BigInt(civil.nanosecond);
}

/** Years, months, days, hours, minutes and seconds between two instants, whichever is earlier, read in the first one's zone. */
function diff(a: ZonedTime, b: ZonedTime): number[] {
	const [earlier, later] = a.ns > b.ns ? [b.ns, a.ns] : [a.ns, b.ns];
	const from = civilOf({ ...a, ns: earlier });
	const to = civilOf({ ...a, ns: later });
	const spans = [
		to.year - from.year,
		to.month - from.month,
		to.day - from.day,
		to.hour - from.hour,
		to.minute - from.minute,
		to.second - from.second,
	];
	const daysInMonth = new Date(Date.UTC(from.year, from.month, 0)).getUTCDate();
	const sizes = [0, 12, daysInMonth, 24, 60, 60];
	for (let i = spans.length - 1; i > 0; i--) {
		const span = spans[i] ?? 0;
		if (span >= 0) continue;
		spans[i] = span + (sizes[i] ?? 0);
		spans[i - 1] = (spans[i - 1] ?? 0) - 1;
	}
	return spans;
}
