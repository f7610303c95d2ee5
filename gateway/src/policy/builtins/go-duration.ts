import { fail } from './operands.ts';
import { formatFloat } from './go-float.ts';

const unitNs: ReadonlyMap<string, bigint> = new Map([
	['ns', 1n],
	['us', 1_000n],
	['\u00b5s', 1_000n],
	['\u03bcs', 1_000n],
	['ms', 1_000_000n],
	['s', 1_000_000_000n],
	['m', 60_000_000_000n],
	['h', 3_600_000_000_000n],
]);

const hoursOf: ReadonlyMap<string, number> = new Map([
	['d', 24],
	['w', 7 * 24],
	['y', 365 * 24],
]);

const limit = 1n << 63n;

/** Nanoseconds of a Go duration (`1h30m`), with OPA's days, weeks and years; fails where OPA has an error. */
export function parseDuration(text: string): bigint {
	return parseGoDuration(/[dwy]/.test(text) ? rewriteLongUnits(text) : text);
}

function rewriteLongUnits(text: string): string {
	if (!/^[-+]?(?:[0-9.]+(?:ms|us|\u00b5s|ns|[a-z]))+$/.test(text)) fail();
	return text.replaceAll(/([0-9.]+)([dwy])/g, (_, digits: string, unit: string) => {
		const count = Number(digits);
		if (!Number.isFinite(count)) fail();
		return `${formatFloat(count * (hoursOf.get(unit) ?? 0), 'f', -1)}h`;
	});
}

function parseGoDuration(text: string): bigint {
	const isNegative = text.startsWith('-');
	const body = text.replace(/^[-+]/, '');
	if (body === '0') return 0n;
	if (!/^(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[^0-9.]+)+$/.test(body)) fail();
	let total = 0n;
	for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/([0-9]*)\.?([0-9]*)([^0-9.]+)/g)) {
		total += segmentNs(BigInt(whole), fraction, unitNs.get(unit) ?? fail());
		if (total > limit) fail();
	}
	if (!isNegative && total === limit) fail();
	return isNegative ? -total : total;
}

function segmentNs(whole: bigint, fraction: string, unit: bigint): bigint {
	if (whole > limit / unit) fail();
	// Go reads as many digits of the fraction as fit 63 bits, then multiplies as doubles.
	let digits = 0n;
	let scale = 1;
	for (const digit of fraction) {
		const next = digits * 10n + BigInt(digit);
		if (digits > (limit - 1n) / 10n || next > limit) break;
		digits = next;
		scale *= 10;
	}
	const ns = whole * unit + BigInt(Math.trunc(Number(digits) * (Number(unit) / scale)));
	return ns > limit ? fail() : ns;
}
