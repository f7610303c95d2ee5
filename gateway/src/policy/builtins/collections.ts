import type { BuiltinContext } from '../builtins.ts';
import { compare, entriesOf, RegoObject, RegoSet, type RegoValue } from '../rego-value.ts';
import { fail, integerOf, isObject, membersOf, numberOf, objectOperand, type PlainObject } from './operands.ts';

/** More elements or paths than this are an error: a few characters of policy must not fill the memory. */
const maxElements = 100_000;

/** Comparisons of values that one call may make: some 0.1 s. */
const maxComparisons = 2_000_000;

export const collectionBuiltins = {
	'object.subset': (_: BuiltinContext, whole: RegoValue, part: RegoValue) => isSubset(whole, part),
	'graph.reachable_paths': (_: BuiltinContext, graph: RegoValue, roots: RegoValue) =>
		reachablePaths(objectOperand(graph), membersOf(roots)),
	'numbers.range_step': (_: BuiltinContext, from: RegoValue, to: RegoValue, step: RegoValue) =>
		rangeStep(integerOf(from), integerOf(to), integerOf(step)),
	// The tests' builtins and tracing have no output here; OPA's answer to them is true.
	trace: (_: BuiltinContext, note: RegoValue) => (typeof note === 'string' ? true : fail()),
	'internal.print': () => true,
	'internal.test_case': () => true,
};

function rangeStep(from: bigint, to: bigint, step: bigint): RegoValue {
	if (step <= 0n) fail();
	const distance = from <= to ? to - from : from - to;
	const count = distance / step + 1n;
	if (count > maxElements) fail();
	const signed = from <= to ? step : -step;
	return Array.from({ length: Number(count) }, (_, i) => numberOf(from + BigInt(i) * signed));
}

function isSubset(whole: RegoValue, part: RegoValue): boolean {
	if (isObject(whole) && isObject(part)) return isSubobject(whole, part);
	if (whole instanceof RegoSet && part instanceof RegoSet) return part.items.every((item) => has(whole, item));
	if (Array.isArray(whole) && Array.isArray(part)) return isSubarray(whole, part);
	if (Array.isArray(whole) && part instanceof RegoSet) return isCovered(whole, part);
	return fail();
}

/** Nested objects, sets and arrays are compared as subsets too. */
function isSubobject(whole: RegoObject | PlainObject, part: RegoObject | PlainObject): boolean {
	return entriesOf(part).every(([key, value]) => {
		const other = memberOf(whole, key);
		if (other === undefined) return false;
		if (compare(value, other) === 0) return true;
		const isSameKind =
			(isObject(other) && isObject(value)) ||
			(other instanceof RegoSet && value instanceof RegoSet) ||
			(Array.isArray(other) && Array.isArray(value));
		return isSameKind && isSubset(other, value);
	});
}

/** Whether `part` stands somewhere in `whole` as one run. */
function isSubarray(whole: RegoValue[], part: RegoValue[]): boolean {
	let comparisons = 0;
	const stands = (start: number): boolean =>
		part.every((item, i) => {
			if (++comparisons > maxComparisons) fail();
			return compare(whole[start + i] ?? null, item) === 0;
		});
	for (let start = 0; start + part.length <= whole.length; start++) if (stands(start)) return true;
	return false;
}

// OPA counts hits, so a repeated element counts twice, and an empty set is covered only by an array that isn't empty.
function isCovered(whole: RegoValue[], part: RegoSet): boolean {
	let unmatched = part.items.length;
	return whole.some((item) => {
		if (has(part, item)) unmatched--;
		return unmatched === 0;
	});
}

function has(set: RegoSet, wanted: RegoValue): boolean {
	let low = 0;
	let high = set.items.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		const order = compare(set.items[middle] ?? null, wanted);
		if (order === 0) return true;
		if (order < 0) low = middle + 1;
		else high = middle;
	}
	return false;
}

/** The value under a key of any type, or undefined. */
export function memberOf(object: RegoObject | PlainObject, key: RegoValue): RegoValue | undefined {
	if (object instanceof RegoObject) return object.entries.find(([candidate]) => compare(candidate, key) === 0)?.[1];
	return typeof key === 'string' && Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Every path from the roots until a node that has no edges, is no key, or was met before on that path. */
function reachablePaths(graph: RegoObject | PlainObject, roots: RegoValue[]): RegoValue {
	const paths: RegoValue[][] = [];
	let steps = 0;
	let comparisons = 0;
	const add = (path: RegoValue[]): void => {
		steps += path.length + 1;
		if (steps > maxElements) fail();
		paths.push(path);
	};
	const walk = (node: RegoValue, before: RegoValue[]): void => {
		const edges = memberOf(graph, node);
		if (edges === undefined) return add(before);
		const path = [...before, node];
		const neighbours = neighboursOf(edges);
		if (neighbours.length === 0) return add(path);
		comparisons += path.length * neighbours.length;
		if (comparisons > maxComparisons) fail();
		for (const neighbour of neighbours) {
			if (path.some((met) => compare(met, neighbour) === 0)) add(path);
			else walk(neighbour, path);
		}
	};
	for (const root of roots) {
		const edges = memberOf(graph, root);
		if (edges === undefined) continue;
		const neighbours = neighboursOf(edges);
		if (neighbours.length === 0) add([root]);
		// A root's edge to itself is walked once before it counts as a cycle.
		for (const neighbour of neighbours) walk(neighbour, [root]);
	}
	return RegoSet.of(paths);
}

function neighboursOf(edges: RegoValue): RegoValue[] {
	return edges instanceof RegoSet ? edges.items : Array.isArray(edges) ? edges : [];
}
