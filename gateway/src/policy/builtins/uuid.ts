import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { fail, numberOf, type PlainObject, stringOf } from './operands.ts';

export const uuidBuiltins = {
	'uuid.parse': (_: BuiltinContext, text: RegoValue) => describe(bytesOf(stringOf(text))),
};

const hyphenated = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i;

/** 100-nanosecond steps between the start of the Gregorian calendar and 1970. */
const gregorianOffset = 122_192_928_000_000_000n;

function bytesOf(text: string): Buffer {
	// Lengths are in bytes, and what stands in place of the braces doesn't matter: both as in Go's parser.
	const raw = Buffer.from(text).toString('latin1');
	if (raw.length === 32) return /^[0-9a-f]{32}$/i.test(raw) ? Buffer.from(raw, 'hex') : fail();
	const inner = raw.length === 45 && /^urn:uuid:/i.test(raw) ? raw.slice(9) : raw.length === 38 ? raw.slice(1, 37) : raw;
	const groups = hyphenated.exec(inner) ?? fail();
	return Buffer.from(groups.slice(1).join(''), 'hex');
}

function describe(bytes: Buffer): PlainObject {
	const version = bytes.readUInt8(6) >> 4;
	const parts: PlainObject = { version, variant: variantOf(bytes.readUInt8(8)) };
	if (version !== 1 && version !== 2) return parts;
	const ticks = (BigInt(bytes.readUInt16BE(6) & 0xfff) << 48n) | (BigInt(bytes.readUInt16BE(4)) << 32n) | BigInt(bytes.readUInt32BE(0));
	// Go's 64 bits overflow for years beyond 2262.
	parts['time'] = numberOf(BigInt.asIntN(64, (ticks - gregorianOffset) * 100n));
	parts['nodeid'] = Array.from(bytes.subarray(10), (byte) => byte.toString(16).padStart(2, '0')).join('-');
	parts['macvariables'] = macVariables(bytes.readUInt8(10));
	parts['clocksequence'] = bytes.readUInt16BE(8) & 0x3fff;
	if (version === 2) {
		parts['id'] = bytes.readUInt32BE(0);
		const domain = bytes.readUInt8(9);
		parts['domain'] = ['Person', 'Group', 'Org'][domain] ?? `Domain${domain}`;
	}
	return parts;
}

function variantOf(byte: number): string {
	if ((byte & 0xc0) === 0x80) return 'RFC4122';
	if ((byte & 0xe0) === 0xc0) return 'Microsoft';
	return (byte & 0xe0) === 0xe0 ? 'Future' : 'Reserved';
}

function macVariables(byte: number): string {
	return `${byte & 2 ? 'local' : 'global'}:${byte & 1 ? 'multicast' : 'unicast'}`;
}
