import { type FloatVerb, formatFloat } from './go-float.ts';
import { isPrintable, quoteGo } from './go-quote.ts';
import { fail } from './operands.ts';

/** An argument as Go would see it: its type's name decides what the verbs do. */
export type GoArgument =
	| { readonly type: 'int64' | '*big.Int'; readonly value: bigint }
	| { readonly type: 'float64'; readonly value: number }
	| { readonly type: 'string'; readonly value: string };

/** The flags, width and precision of one `%…` directive. */
export interface Directive {
	sharp: boolean;
	zero: boolean;
	plus: boolean;
	minus: boolean;
	space: boolean;
	width: number | undefined;
	precision: number | undefined;
}

/** One argument by one verb, as Go's fmt prints it; `%!d(string=x)` where the verb doesn't suit the type. */
export function formatArgument(argument: GoArgument, verb: string, directive: Directive): string {
	switch (verb) {
		case 'v':
			// Here # and + mean Go syntax and field names; only strings and big integers show it.
			if (argument.type === '*big.Int') break;
			return formatByType(argument, directive.sharp && argument.type === 'string' ? 'q' : 'v', { ...directive, sharp: false, plus: false });
		case 'p':
		case 'w':
			// Go prints the inside of a big.Int here, an address among it.
			if (argument.type === '*big.Int') fail();
			if (verb === 'p') break;
			return `%!w(${argument.type}=${formatArgument(argument, 'v', directive)})`;
		case 'T':
			return pad(truncate(argument.type, directive), directive);
	}
	return formatByType(argument, verb, directive);
}

function formatByType(argument: GoArgument, verb: string, flags: Directive): string {
	switch (argument.type) {
		case 'string':
			return formatString(argument.value, verb, flags);
		case 'float64':
			return formatDouble(argument.value, verb, flags);
		case 'int64':
			return formatInt64(argument.value, verb, flags);
		case '*big.Int':
			return formatBigInt(argument.value, verb, flags);
	}
}

function badVerb(argument: GoArgument, verb: string, flags: Directive): string {
	return `%!${verb}(${argument.type}=${formatByType(argument, 'v', flags)})`;
}

function formatString(value: string, verb: string, flags: Directive): string {
	switch (verb) {
		case 'v':
		case 's':
			return pad(truncate(value, flags), flags);
		case 'x':
			return formatHexBytes(value, flags);
		case 'X':
			return formatHexBytes(value, flags).toUpperCase();
		case 'q': {
			const text = truncate(value, flags);
			return pad(flags.sharp && canBackquote(text) ? `\`${text}\`` : quoteGo(text, { asciiOnly: flags.plus }), flags);
		}
		default:
			return badVerb({ type: 'string', value }, verb, flags);
	}
}

function canBackquote(text: string): boolean {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: Go's rule names them
	return !/[\x00-\x08\x0a-\x1f\x7f`\ufeff\ufffd]/.test(text);
}

function formatHexBytes(value: string, flags: Directive): string {
	const bytes = Buffer.from(value).subarray(0, flags.precision ?? Infinity);
	if (bytes.length === 0) return pad('', flags);
	const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
	const prefix = flags.sharp ? '0x' : '';
	return pad(flags.space ? digits.map((pair) => prefix + pair).join(' ') : prefix + digits.join(''), flags);
}

function formatDouble(value: number, verb: string, flags: Directive): string {
	if (!/^[vbgGxXfFeE]$/.test(verb)) return badVerb({ type: 'float64', value }, verb, flags);
	const goVerb = (verb === 'v' ? 'g' : verb === 'F' ? 'f' : verb) as FloatVerb;
	const precision = flags.precision ?? (/[feE]/.test(goVerb) ? 6 : -1);
	let text = formatFloat(value, goVerb, precision);
	const isNegative = text.startsWith('-');
	text = text.replace(/^[-+]/, '');
	if (flags.sharp && verb !== 'b') text = keepZeros(text, verb, precision);
	const sign = isNegative ? '-' : flags.plus ? '+' : flags.space ? ' ' : '';
	const width = flags.width ?? 0;
	if (sign !== '' && flags.zero && !flags.minus && width > text.length + 1) return sign + text.padStart(width - 1, '0');
	return pad(sign + text, flags);
}

/** The # flag: a decimal point always, and %g keeps its trailing zeros. */
function keepZeros(text: string, verb: string, precision: number): string {
	const isHex = verb === 'x' || verb === 'X';
	const [, number = '', tail = ''] = (isHex ? /^([^pP]*)(.*)$/ : /^([^eEpP]*)(.*)$/).exec(text) ?? [];
	let missing = /[vgGx]/.test(verb) ? (precision === -1 ? 6 : precision) : 0;
	const significant = /[^0.].*/.exec(number)?.[0] ?? '';
	missing -= significant.replace('.', '').length;
	if (!number.includes('.') && number === '0') missing--;
	return `${number}${number.includes('.') ? '' : '.'}${'0'.repeat(Math.max(missing, 0))}${tail}`;
}

const bases: ReadonlyMap<string, number> = new Map([
	['v', 10],
	['d', 10],
	['b', 2],
	['o', 8],
	['O', 8],
	['x', 16],
	['X', 16],
]);

function formatInt64(value: bigint, verb: string, flags: Directive): string {
	switch (verb) {
		case 'c':
			return pad(runeOf(value), flags);
		case 'q':
			return pad(quoteGo(runeOf(value), { quote: "'", asciiOnly: flags.plus }), flags);
		case 'U':
			return formatUnicode(BigInt.asUintN(64, value), flags);
	}
	const base = bases.get(verb);
	if (base === undefined) return badVerb({ type: 'int64', value }, verb, flags);
	const { width, precision } = flags;
	if (precision === 0 && value === 0n) return ' '.repeat(width ?? 0);
	const sign = value < 0n ? '-' : flags.plus ? '+' : flags.space ? ' ' : '';
	let digits = (value < 0n ? -value : value).toString(base);
	const isZeroFilled = precision === undefined && flags.zero && !flags.minus && width !== undefined;
	digits = digits.padStart(precision ?? (isZeroFilled ? width - sign.length : 0), '0');
	if (flags.sharp && base === 8 && !digits.startsWith('0')) digits = `0${digits}`;
	const prefix = flags.sharp && base === 2 ? '0b' : flags.sharp && base === 16 ? '0x' : verb === 'O' ? '0o' : '';
	const text = prefix + digits;
	return pad(sign + (verb === 'X' ? text.toUpperCase() : text), { ...flags, zero: false });
}

function runeOf(value: bigint): string {
	const code = BigInt.asUintN(64, value);
	return code > 0x10ffffn || (code >= 0xd800n && code <= 0xdfffn) ? '\ufffd' : String.fromCodePoint(Number(code));
}

function formatUnicode(code: bigint, flags: Directive): string {
	const digits = code
		.toString(16)
		.toUpperCase()
		.padStart(Math.max(flags.precision ?? 4, 4), '0');
	const rune = runeOf(code);
	const shown = flags.sharp && BigInt(rune.codePointAt(0) ?? 0) === code && isPrintable(rune) ? ` '${rune}'` : '';
	return pad(`U+${digits}${shown}`, { ...flags, zero: false });
}

/** big.Int brings its own Format: other verbs and padding than int64. */
function formatBigInt(value: bigint, verb: string, flags: Directive): string {
	const base = bases.get(verb === 's' ? 'd' : verb);
	if (base === undefined) return `%!${verb}(big.Int=${value})`;
	const sign = value < 0n ? '-' : flags.plus ? '+' : flags.space ? ' ' : '';
	const sharpPrefix = flags.sharp ? ({ b: '0b', o: '0', x: '0x', X: '0X' }[verb] ?? '') : '';
	const prefix = verb === 'O' ? '0o' : sharpPrefix;
	let digits = (value < 0n ? -value : value).toString(base);
	if (verb === 'X') digits = digits.toUpperCase();
	digits = digits.padStart(flags.precision ?? 0, '0');
	const width = flags.width ?? 0;
	if (flags.minus) return (sign + prefix + digits).padEnd(width);
	if (flags.zero && flags.precision === undefined) return sign + prefix + digits.padStart(width - sign.length - prefix.length, '0');
	return (sign + prefix + digits).padStart(width);
}

function truncate(text: string, { precision }: Directive): string {
	return precision === undefined ? text : Array.from(text).slice(0, precision).join('');
}

/** Pads to the width in code points, on the left unless `-`. */
function pad(text: string, { width = 0, minus, zero }: Directive): string {
	const missing = width - Array.from(text).length;
	if (missing <= 0) return text;
	return minus ? text + ' '.repeat(missing) : (zero ? '0' : ' ').repeat(missing) + text;
}
