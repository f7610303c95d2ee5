import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { fail, numberOf, stringOf } from './operands.ts';

export const unitBuiltins = {
	'units.parse': (_: BuiltinContext, text: RegoValue) => parseUnits(stringOf(text)),
	'units.parse_bytes': (_: BuiltinContext, text: RegoValue) => parseBytes(stringOf(text)),
};

/** More digits, written or meant by an exponent, are more than a Rego value may have. */
const maxDigits = 5_000;

const scales = ['', 'k', 'm', 'g', 't', 'p', 'e'];

const byteUnits = new Map<string, bigint>(
	scales.flatMap((scale, i): [string, bigint][] => {
		if (i === 0) return [['', 1n]];
		const decimal = 1000n ** BigInt(i);
		const binary = 1024n ** BigInt(i);
		return [
			[`${scale}b`, decimal],
			[scale, decimal],
			[`${scale}ib`, binary],
			[`${scale}i`, binary],
		];
	}),
);

/** The exact double 0.001, which OPA uses for `m`. */
const milli: Fraction = { top: 1152921504606847n, bottom: 1n << 60n };

interface Fraction {
	readonly top: bigint;
	readonly bottom: bigint;
}

function parseUnits(text: string): RegoValue {
	const { amount, unit } = split(text.replaceAll('"', ''));
	// Only the first letter's case counts: m is a thousandth, M a million.
	const { top, bottom } = times(amount, unitScale(unit.slice(0, 1) + unit.slice(1).toLowerCase()));
	if (top % bottom === 0n) return numberOf(top / bottom);
	const scaled = top * 10n ** 10n;
	const size = scaled < 0n ? -scaled : scaled;
	const rounded = (2n * size + bottom) / (2n * bottom);
	return Number(`${scaled < 0n ? '-' : ''}${rounded}e-10`);
}

function unitScale(unit: string): Fraction {
	if (unit === 'm') return milli;
	if (/^[MkKgGtTpPeE]?$/.test(unit)) return whole(byteUnits.get(unit.toLowerCase()));
	return /^[kKmMgGtTpPeE]i$/.test(unit) ? whole(byteUnits.get(unit.toLowerCase())) : fail();
}

function parseBytes(text: string): RegoValue {
	const { amount, unit } = split(text.toLowerCase().replaceAll('"', ''));
	const scale = byteUnits.get(unit) ?? fail();
	// OPA multiplies floats of 64 bits and cuts off the fraction.
	const { top, bottom } = round64(times(round64(amount), whole(scale)));
	return numberOf(top / bottom);
}

function split(text: string): { amount: Fraction; unit: string } {
	if (text.includes(' ')) fail();
	const number = /^(?:[0-9.+-]|[eE](?=[0-9+-])[+-]?)*/.exec(text)?.[0] ?? '';
	return { amount: parseDecimal(number), unit: text.slice(number.length) };
}

function parseDecimal(text: string): Fraction {
	const [, sign, integer = '', fraction = '', exponent = '0'] =
		/^([-+]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([-+]?[0-9]+))?$/.exec(text) ?? fail();
	if (integer === '' && fraction === '') fail();
	if (integer.length + fraction.length > maxDigits) fail();
	const digits = BigInt(integer + fraction) * (sign === '-' ? -1n : 1n);
	const shift = Number(exponent) - fraction.length;
	if (Math.abs(shift) > maxDigits) return digits === 0n ? whole(0n) : fail();
	return shift >= 0 ? whole(digits * 10n ** BigInt(shift)) : { top: digits, bottom: 10n ** BigInt(-shift) };
}

/** Whether `value` is a whole multiple of `step`, both as the decimals they are written as: 0.3 is one of 0.1. */
export function isMultipleOf(value: number | bigint, step: number | bigint): boolean {
	const [a, b] = [parseDecimal(String(value)), parseDecimal(String(step))];
	return (a.top * b.bottom) % (a.bottom * b.top) === 0n;
}

function whole(value: bigint | undefined): Fraction {
	return { top: value ?? fail(), bottom: 1n };
}

function times(a: Fraction, b: Fraction): Fraction {
	return { top: a.top * b.top, bottom: a.bottom * b.bottom };
}

/** The nearest number with a mantissa of 64 bits, half to even. */
function round64({ top, bottom }: Fraction): Fraction {
	const size = top < 0n ? -top : top;
	if (size === 0n) return whole(0n);
	let shift = 64 - (bitLength(size) - bitLength(bottom));
	let mantissa = roundedQuotient(size, bottom, shift);
	// The quotient of the two lengths may be one bit longer than asked for.
	if (bitLength((size * powerOf2(shift)) / (bottom * powerOf2(-shift))) > 64) mantissa = roundedQuotient(size, bottom, --shift);
	const signed = top < 0n ? -mantissa : mantissa;
	return { top: signed * powerOf2(-shift), bottom: powerOf2(shift) };
}

/** size × 2^shift ÷ bottom, half to even. */
function roundedQuotient(size: bigint, bottom: bigint, shift: number): bigint {
	const dividend = size * powerOf2(shift);
	const divisor = bottom * powerOf2(-shift);
	const quotient = dividend / divisor;
	const twice = (dividend % divisor) * 2n;
	return twice > divisor || (twice === divisor && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}

function powerOf2(exponent: number): bigint {
	return exponent > 0 ? 1n << BigInt(exponent) : 1n;
}

function bitLength(value: bigint): number {
	const hex = value.toString(16);
	return hex.length * 4 - Math.clz32(Number.parseInt(hex[0] ?? '0', 16)) + 28;
}
