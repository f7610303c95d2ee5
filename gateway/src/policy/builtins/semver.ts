import type { BuiltinContext } from '../builtins.ts';
import type { RegoValue } from '../rego-value.ts';
import { fail, stringOf } from './operands.ts';

export const semverBuiltins = {
	'semver.is_valid': (_: BuiltinContext, version: RegoValue) => typeof version === 'string' && parseVersion(version) !== undefined,
	'semver.compare': (_: BuiltinContext, a: RegoValue, b: RegoValue) => {
		const left = parseVersion(stringOf(a)) ?? fail();
		const right = parseVersion(stringOf(b)) ?? fail();
		return compareVersions(left, right);
	},
};

interface Version {
	readonly numbers: readonly bigint[];
	readonly preRelease: string;
}

const maxInt64 = (1n << 63n) - 1n;
const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
// Looser than semver.org, as OPA is: a leading v, leading zeros, and an empty pre-release or build are taken.
const versionPattern = new RegExp(`^v?([0-9]+)\\.([0-9]+)\\.([0-9]+)(?:-(${identifiers})?)?(?:\\+(?:${identifiers})?)?$`);

function parseVersion(text: string): Version | undefined {
	const match = versionPattern.exec(text);
	if (!match) return undefined;
	const numbers = match.slice(1, 4).map(BigInt);
	return numbers.some((number) => number > maxInt64) ? undefined : { numbers, preRelease: match[4] ?? '' };
}

function compareVersions(a: Version, b: Version): number {
	for (const [i, number] of a.numbers.entries()) {
		const order = compareOrdered(number, b.numbers[i] ?? 0n);
		if (order !== 0) return order;
	}
	if (a.preRelease === b.preRelease) return 0;
	if (a.preRelease === '') return 1;
	return b.preRelease === '' ? -1 : comparePreReleases(a.preRelease.split('.'), b.preRelease.split('.'));
}

/** Numbers below words, then the longer list wins. Fails for `1` and `01`, where OPA itself never comes to an end. */
function comparePreReleases(a: readonly string[], b: readonly string[]): number {
	for (const [i, left] of a.entries()) {
		const right = b[i];
		if (right === undefined) return 1;
		const isNumber = [left, right].map((part) => /^[0-9]+$/.test(part));
		if (isNumber[0] !== isNumber[1]) return isNumber[0] ? -1 : 1;
		const order = isNumber[0] ? compareOrdered(clamped(left), clamped(right)) : compareOrdered(left, right);
		if (order !== 0) return order;
	}
	return a.length < b.length ? -1 : fail();
}

function clamped(digits: string): bigint {
	const number = BigInt(digits);
	return number > maxInt64 ? maxInt64 : number;
}

function compareOrdered<T extends bigint | string>(a: T, b: T): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
