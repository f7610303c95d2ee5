import type { BuiltinContext } from '../builtins.ts';
import { entriesOf, RegoSet, type RegoValue } from '../rego-value.ts';
import {
	type Address,
	addressIn,
	addressText,
	contains,
	isMapped,
	type Network,
	networkOf,
	parseAddress,
	parseNetwork,
} from './ip-network.ts';
import { fail, isObject, membersOf, stringOf } from './operands.ts';

/** A block of more addresses than this isn't listed: a /0 would fill the memory. */
const maxAddresses = 65_536n;

/** Pairs that one call may compare. */
const maxPairs = 250_000;

export const netCidrBuiltins = {
	'net.cidr_is_valid': (_: BuiltinContext, text: RegoValue) => typeof text === 'string' && parseNetwork(text) !== undefined,
	'net.cidr_expand': (_: BuiltinContext, text: RegoValue) => expand(networkOperand(text)),
	'net.cidr_merge': (_: BuiltinContext, networks: RegoValue) => RegoSet.of(merge(membersOf(networks).map(rangeOf))),
	'net.cidr_contains_matches': (_: BuiltinContext, outer: RegoValue, inner: RegoValue) => containsMatches(outer, inner),
};

function networkOperand(text: RegoValue): Network {
	return parseNetwork(stringOf(text)) ?? fail();
}

function expand(network: Network): RegoSet {
	const count = network.last - network.first + 1n;
	if (count > maxAddresses) fail();
	return RegoSet.of(Array.from({ length: Number(count) }, (_, i) => addressText(addressIn(network, network.first + BigInt(i)))));
}

/** Pairs [index of the outer block, index of the inner]: the value itself for a string or set, the position or key otherwise. */
function containsMatches(outer: RegoValue, inner: RegoValue): RegoSet {
	const outers = candidatesOf(outer);
	const inners = candidatesOf(inner);
	if (outers.length * inners.length > maxPairs) fail();
	// Nothing is read where the other side is empty: what can't be parsed is an error only if it is compared.
	if (outers.length === 0 || inners.length === 0) return RegoSet.of([]);
	const parsedInners = inners.map(({ text, index }) => ({ inner: innerOf(stringOf(text)), index }));
	return RegoSet.of(
		outers.flatMap(({ text, index }) => {
			const network = networkOperand(text);
			return parsedInners.filter((candidate) => isInside(network, candidate.inner)).map((candidate): RegoValue => [index, candidate.index]);
		}),
	);
}

interface Candidate {
	readonly text: RegoValue;
	readonly index: RegoValue;
}

function candidatesOf(operand: RegoValue): Candidate[] {
	if (typeof operand === 'string') return [{ text: operand, index: operand }];
	if (Array.isArray(operand)) return operand.map((item, index) => ({ text: textOf(item), index }));
	if (operand instanceof RegoSet) return operand.items.map((item) => ({ text: textOf(item), index: item }));
	return isObject(operand) ? entriesOf(operand).map(([key, item]) => ({ text: textOf(item), index: key })) : [];
}

/** A string, or the first element of an array. */
function textOf(item: RegoValue): RegoValue {
	return Array.isArray(item) ? (item[0] ?? fail()) : stringOf(item);
}

function innerOf(text: string): Address | Network {
	return parseAddress(text) ?? parseNetwork(text) ?? fail();
}

function isInside(network: Network, inner: Address | Network): boolean {
	if ('is4' in inner) return contains(network, inner);
	return contains(network, addressIn(inner, inner.first)) && contains(network, addressIn(inner, inner.last));
}

/** A run of addresses of one family; `text` while it is still the block that was written. */
interface Range {
	readonly is4: boolean;
	readonly first: bigint;
	readonly last: bigint;
	readonly text: string | undefined;
}

function rangeOf(element: RegoValue): Range {
	const text = stringOf(element);
	const address = parseAddress(text);
	if (address) return address.is4 ? classRange(address) : fail();
	const network = parseNetwork(text) ?? fail();
	// OPA's own code fails on IPv4 addresses written as IPv6 blocks.
	if (isMapped(network)) fail();
	return {
		is4: network.bits === 32,
		first: network.first,
		last: network.last,
		text: networkText(network.bits === 32, network.first, network.prefix),
	};
}

/** An address alone stands for its historical class: 10.0.0.1 for 10.0.0.1/8. */
function classRange({ value }: Address): Range {
	const prefix = value < 0x80000000n ? 8 : value < 0xc0000000n ? 16 : 24;
	const { first, last } = networkOf(value, prefix, 32);
	return { is4: true, first, last, text: networkText(true, value, prefix) };
}

function networkText(is4: boolean, value: bigint, prefix: number): string {
	return `${addressText({ is4, value })}/${prefix}`;
}

/** Overlapping and adjacent ranges joined, each as the fewest blocks. */
function merge(ranges: Range[]): string[] {
	const sorted = ranges.toSorted((a, b) => Number(b.is4) - Number(a.is4) || compareBig(a.last, b.last) || compareBig(a.first, b.first));
	const merged: Range[] = [];
	for (const range of sorted.toReversed()) {
		const next = merged.at(-1);
		if (next && next.is4 === range.is4 && next.first - 1n <= range.last) {
			merged[merged.length - 1] = { ...next, first: next.first < range.first ? next.first : range.first, text: undefined };
		} else merged.push(range);
	}
	return merged.flatMap((range) => (range.text === undefined ? blocksOf(range) : [range.text]));
}

function compareBig(a: bigint, b: bigint): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

function blocksOf({ is4, first, last }: Range): string[] {
	const blocks: string[] = [];
	const bits = is4 ? 32 : 128;
	for (let at = first; at <= last; ) {
		let host = 0;
		// The largest block that starts here: aligned, and not beyond the end.
		while (host < bits && (at & ((1n << BigInt(host + 1)) - 1n)) === 0n && at + (1n << BigInt(host + 1)) - 1n <= last) host++;
		blocks.push(networkText(is4, at, bits - host));
		at += 1n << BigInt(host);
	}
	return blocks;
}
