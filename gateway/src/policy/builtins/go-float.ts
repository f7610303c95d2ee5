/**
 * Go's strconv.FormatFloat for 64 bits. `precision` -1 asks for the shortest text that reads back the same; `f` then never has an
 * exponent, unlike String(). Rounding is half to even on the exact value, which toFixed is not.
 */
export function formatFloat(value: number, verb: FloatVerb, precision: number): string {
	if (Number.isNaN(value)) return 'NaN';
	if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
	const sign = value < 0 || Object.is(value, -0) ? '-' : '';
	return sign + formatSize(Math.abs(value), verb, precision);
}

export type FloatVerb = 'e' | 'E' | 'f' | 'g' | 'G' | 'b' | 'x' | 'X';

function formatSize(value: number, verb: FloatVerb, precision: number): string {
	switch (verb) {
		case 'b':
			return formatBinary(value);
		case 'x':
			return formatHex(value, precision);
		case 'X':
			return formatHex(value, precision).toUpperCase();
		case 'E':
		case 'G':
			return formatSize(value, verb === 'E' ? 'e' : 'g', precision).replace('e', 'E');
		case 'e': {
			const decimal = precision < 0 ? shortest(value) : roundTo(exact(value), precision + 1);
			return withExponent(decimal, precision < 0 ? Math.max(decimal.digits.length - 1, 0) : precision);
		}
		case 'f': {
			const whole = precision < 0 ? shortest(value) : exact(value);
			const decimal = precision < 0 ? whole : roundTo(whole, whole.point + precision);
			return withoutExponent(decimal, precision < 0 ? Math.max(decimal.digits.length - decimal.point, 0) : precision);
		}
		case 'g':
			return formatGeneral(value, precision);
	}
}

function formatGeneral(value: number, precision: number): string {
	const isShortest = precision < 0;
	const decimal = isShortest ? shortest(value) : roundTo(exact(value), precision || 1);
	const { digits, point } = decimal;
	let significant = isShortest ? digits.length : precision || 1;
	let threshold = significant;
	if (threshold > digits.length && digits.length >= point) threshold = digits.length;
	if (isShortest) threshold = 6;
	if (point - 1 < -4 || point - 1 >= threshold) {
		significant = Math.min(significant, digits.length);
		return withExponent(decimal, Math.max(significant - 1, 0));
	}
	return withoutExponent(decimal, Math.max(digits.length - point, 0));
}

/** 0.d1d2d3… × 10^point, without zeros at either end of the digits; zero has none. */
interface Decimal {
	readonly digits: string;
	readonly point: number;
}

function shortest(value: number): Decimal {
	if (value === 0) return { digits: '', point: 0 };
	const [digits = '', exponent = '0'] = value.toExponential().split('e');
	return { digits: digits.replace('.', '').replace(/0+$/, ''), point: Number(exponent) + 1 };
}

/** Every digit of the double. */
function exact(value: number): Decimal {
	if (value === 0) return { digits: '', point: 0 };
	const { mantissa, exponent } = bitsOf(value);
	const isInteger = exponent >= 0;
	const digits = String(isInteger ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent));
	return { digits: digits.replace(/0+$/, ''), point: digits.length + (isInteger ? 0 : exponent) };
}

function roundTo(decimal: Decimal, count: number): Decimal {
	const { digits, point } = decimal;
	if (count >= digits.length) return decimal;
	if (count < 0) return { digits: '', point: 0 };
	const kept = digits.slice(0, count);
	const rest = digits.slice(count);
	const isOdd = count > 0 && Number(kept.at(-1)) % 2 === 1;
	const isUp = rest > '5' || (rest === '5' && isOdd);
	if (!isUp) {
		const trimmed = kept.replace(/0+$/, '');
		return { digits: trimmed, point: trimmed === '' ? 0 : point };
	}
	const raised = String(BigInt(kept || '0') + 1n).padStart(count, '0');
	return { digits: raised.replace(/0+$/, ''), point: point + raised.length - count };
}

function withExponent({ digits, point }: Decimal, precision: number): string {
	const exponent = digits === '' ? 0 : point - 1;
	const fraction = precision > 0 ? `.${digits.slice(1, precision + 1).padEnd(precision, '0')}` : '';
	return `${digits[0] ?? '0'}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function withoutExponent({ digits, point }: Decimal, precision: number): string {
	const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0';
	if (precision <= 0) return whole;
	const fraction = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits;
	return `${whole}.${fraction.slice(0, precision).padEnd(precision, '0')}`;
}

/** value = mantissa × 2^exponent, mantissa below 2^53. */
function bitsOf(value: number): { mantissa: bigint; exponent: number } {
	const bits = new BigUint64Array(new Float64Array([value]).buffer)[0] ?? 0n;
	const biased = Number(bits >> 52n) & 0x7ff;
	const fraction = bits & 0xfffffffffffffn;
	return biased === 0 ? { mantissa: fraction, exponent: -1074 } : { mantissa: fraction | (1n << 52n), exponent: biased - 1075 };
}

function formatBinary(value: number): string {
	const { mantissa, exponent } = bitsOf(value);
	return `${mantissa}p${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}

/** 0x1.8p+01: one hexadecimal digit, the fraction, and a binary exponent. */
function formatHex(value: number, precision: number): string {
	let { mantissa, exponent } = bitsOf(value);
	if (mantissa === 0n) exponent = -60;
	// The leading 1 moves to bit 60, so that 15 whole digits of fraction follow.
	while (mantissa !== 0n && (mantissa & (1n << 60n)) === 0n) {
		mantissa <<= 1n;
		exponent--;
	}
	if (precision >= 0 && precision < 15) {
		const shift = BigInt(precision * 4);
		const extra = (mantissa << shift) & ((1n << 60n) - 1n);
		mantissa >>= 60n - shift;
		if ((extra | (mantissa & 1n)) > 1n << 59n) mantissa++;
		mantissa <<= 60n - shift;
		if ((mantissa & (1n << 61n)) !== 0n) {
			mantissa >>= 1n;
			exponent++;
		}
	}
	const digits = (mantissa & ((1n << 60n) - 1n)).toString(16).padStart(15, '0');
	const fraction = precision < 0 ? digits.replace(/0+$/, '') : digits.slice(0, precision).padEnd(precision, '0');
	const power = exponent + 60;
	return `0x${mantissa >> 60n}${fraction === '' ? '' : `.${fraction}`}p${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
