import { isIPv4, isIPv6 } from 'node:net';

/** An address in Go's form: an IPv4 address written inside IPv6 (`::ffff:1.2.3.4`) is an IPv4 address. */
export interface Address {
	readonly is4: boolean;
	readonly value: bigint;
}

/** A CIDR block as Go's ParseCIDR reads it. `bits` is 32 or 128 as written, also where `first` lies in the mapped IPv4 range. */
export interface Network {
	readonly first: bigint;
	readonly last: bigint;
	readonly prefix: number;
	readonly bits: 32 | 128;
}

const mappedPrefix = 0xffffn;
const low32 = 0xffffffffn;

/** The address, or undefined; zones and leading zeros are refused, as Go's net.ParseIP does. */
export function parseAddress(text: string): Address | undefined {
	if (isIPv4(text)) return { is4: true, value: parse4(text) };
	if (text.includes('%') || !isIPv6(text)) return undefined;
	return unmapped(parse6(text));
}

/** The block, or undefined. Host bits are cleared. */
export function parseNetwork(text: string): Network | undefined {
	const slash = text.indexOf('/');
	const address = text.slice(0, slash);
	const digits = text.slice(slash + 1);
	if (slash < 0 || address.includes('%') || !/^[0-9]+$/.test(digits)) return undefined;
	const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
	const prefix = Number(digits);
	if (bits === 0 || prefix > bits) return undefined;
	return networkOf(bits === 32 ? parse4(address) : parse6(address), prefix, bits);
}

/** The block of that prefix length around an address. */
export function networkOf(value: bigint, prefix: number, bits: 32 | 128): Network {
	const host = (1n << BigInt(bits - prefix)) - 1n;
	return { first: value & ~host, last: value | host, prefix, bits };
}

/** Whether an IPv6 block lies in the mapped IPv4 range. */
export function isMapped({ first, bits }: Network): boolean {
	return bits === 128 && first >> 32n === mappedPrefix;
}

/** Go's IPNet.Contains: addresses of the other family are never inside. */
export function contains(network: Network, { is4, value }: Address): boolean {
	const is4Network = network.bits === 32 || isMapped(network);
	if (is4 !== is4Network) return false;
	return network.bits === 32
		? inRange(value, network.first, network.last)
		: inRange(value, is4 ? network.first & low32 : network.first, is4 ? network.last & low32 : network.last);
}

function inRange(value: bigint, first: bigint, last: bigint): boolean {
	return value >= first && value <= last;
}

/** The address at a position of a block, in the block's own form. */
export function addressIn(network: Network, value: bigint): Address {
	return network.bits === 32 ? { is4: true, value } : unmapped(value);
}

/** Go's text of an address: RFC 5952 for IPv6. */
export function addressText({ is4, value }: Address): string {
	if (is4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
	const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - i * 16)) & 0xffffn));
	const { start, length } = longestZeros(groups);
	const hex = groups.map((group) => group.toString(16));
	return length < 2 ? hex.join(':') : `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
	let best = { start: 0, length: 0 };
	for (let start = 0; start < groups.length; start++) {
		let length = 0;
		while (groups[start + length] === 0) length++;
		if (length > best.length) best = { start, length };
	}
	return best;
}

function unmapped(value: bigint): Address {
	return value >> 32n === mappedPrefix ? { is4: true, value: value & low32 } : { is4: false, value };
}

function parse4(text: string): bigint {
	return text.split('.').reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function parse6(text: string): bigint {
	const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
	const tail = dotted === undefined ? undefined : parse4(dotted);
	const hex =
		tail === undefined ? text : `${text.slice(0, -(dotted ?? '').length)}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
	const [left = '', right] = hex.split('::');
	const before = left === '' ? [] : left.split(':');
	const after = right === undefined || right === '' ? [] : right.split(':');
	const groups = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
	return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
