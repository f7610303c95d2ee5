import type { BuiltinContext } from '../builtins.ts';
import { compare, emptyObject, entriesOf, type RegoValue } from '../rego-value.ts';
import { decodeBase64Url } from './base64url.ts';
import { unmarshalJson } from './go-json.ts';
import { isMac, isSignedBy, readKeys, type VerificationKey } from './jwt-keys.ts';
import { fail, isObject, objectOperand, type PlainObject, stringOf, textOf } from './operands.ts';

const sizes = ['256', '384', '512'];

export const jwtBuiltins = {
	'io.jwt.decode': (_: BuiltinContext, token: RegoValue) => decode(stringOf(token)),
	'io.jwt.decode_verify': (ctx: BuiltinContext, token: RegoValue, constraints: RegoValue) =>
		decodeVerify(stringOf(token), constraintsOf(constraints, ctx.nowNs)),
	'io.jwt.verify_eddsa': (_: BuiltinContext, token: RegoValue, keys: RegoValue) => isVerified('EdDSA', stringOf(token), stringOf(keys)),
	...Object.fromEntries(['RS', 'PS', 'ES'].flatMap((family) => sizes.map((size) => verifier(family + size)))),
	...Object.fromEntries(
		sizes.map((size) => [
			`io.jwt.verify_hs${size}`,
			(_: BuiltinContext, token: RegoValue, secret: RegoValue) => {
				const { header, payload, signature } = split(stringOf(token));
				return isMac(Buffer.from(stringOf(secret)), `sha${size}`, `${header}.${payload}`, decodeBase64Url(signature));
			},
		]),
	),
};

function verifier(alg: string) {
	return [
		`io.jwt.verify_${alg.toLowerCase()}`,
		(_: BuiltinContext, token: RegoValue, keys: RegoValue) => isVerified(alg, stringOf(token), stringOf(keys)),
	] as const;
}

/** A token's three parts, still encoded. */
interface Token {
	readonly header: string;
	readonly payload: string;
	readonly signature: string;
}

function split(token: string): Token {
	const [header, payload, signature, ...more] = token.split('.');
	if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return fail();
	return { header, payload, signature };
}

/** JSON as Go reads it: bytes that are no UTF-8 become U+FFFD. */
function readObject(encoded: string): PlainObject {
	const value = unmarshalJson(decodeBase64Url(encoded).toString());
	return isObject(value) ? (value as PlainObject) : fail();
}

/** Encrypted tokens aren't supported. */
function readHeader({ header }: Token): PlainObject {
	const decoded = readObject(header);
	return decoded['enc'] === undefined ? decoded : fail();
}

function decode(text: string): RegoValue {
	const token = split(text);
	const header = readHeader(token);
	const payload = decodeBase64Url(token.payload);
	// A token in a token.
	if (header['cty'] !== undefined && stringOf(header['cty']) === 'JWT') return decode(unquoted(textOf(payload)));
	return [header, readObject(token.payload), decodeBase64Url(token.signature).toString('hex')];
}

/** Some tools quote a token in a token. Not by a pattern: `["']+$` takes the square of the length. */
function unquoted(text: string): string {
	let [start, end] = [0, text.length];
	while (text[start] === '"' || text[start] === "'") start++;
	while (end > start && (text[end - 1] === '"' || text[end - 1] === "'")) end--;
	return text.slice(start, end);
}

/** The header fields that verification knows. */
interface KnownFields {
	readonly alg: string;
	readonly kid: string;
	readonly cty: string;
	readonly isCriticalKnown: boolean;
}

function knownFields(header: PlainObject): KnownFields {
	const text = (name: string): string => (header[name] === undefined ? '' : stringOf(header[name]));
	const critical = criticalOf(header['crit']);
	const known = new Set(['alg', 'kid', 'typ', 'cty', 'crit']);
	text('typ');
	const isCriticalKnown = !Object.keys(header).some((name) => !known.has(name) && critical.includes(name));
	return { alg: text('alg'), kid: text('kid'), cty: text('cty'), isCriticalKnown };
}

/** A list, not empty; OPA reads up to the first element that is no string. */
function criticalOf(crit: RegoValue | undefined): RegoValue[] {
	if (crit === undefined) return [];
	if (!Array.isArray(crit)) return fail();
	const stop = crit.findIndex((name) => typeof name !== 'string');
	const names = stop < 0 ? crit : crit.slice(0, stop);
	return names.length === 0 ? fail() : names;
}

function isVerified(alg: string, text: string, keyText: string): boolean {
	const token = split(text);
	const keys = readKeys(keyText);
	const signature = decodeBase64Url(token.signature);
	const fields = knownFields(readHeader(token));
	return isSignedByAny(keys, fields, (key) => isSignedBy(key, alg, `${token.header}.${token.payload}`, signature, 'verify'));
}

/** A key with the token's id decides alone; else any key will do whose algorithm, if it names one, is the token's. */
function isSignedByAny(keys: readonly VerificationKey[], { alg, kid }: KnownFields, isSigned: (key: VerificationKey) => boolean): boolean {
	const named = kid === '' ? undefined : keys.find((key) => key.kid === kid);
	if (named) return isSigned(named);
	return keys.some((key) => (key.alg === '' || key.alg === alg) && isSigned(key));
}

interface Constraints {
	readonly keys: readonly VerificationKey[] | undefined;
	readonly secret: string;
	readonly alg: string;
	readonly iss: string;
	readonly aud: string;
	/** Seconds since 1970. */
	readonly time: number;
}

const constraintNames = new Set<RegoValue>(['cert', 'secret', 'alg', 'iss', 'aud', 'time']);

function constraintsOf(value: RegoValue, nowNs: bigint): Constraints {
	const object = objectOperand(value);
	if (entriesOf(object).some(([name]) => !constraintNames.has(name))) fail();
	const { cert, secret = '', alg = '', iss = '', aud = '', time = nowNs } = object as PlainObject;
	const ns = typeof time === 'number' || typeof time === 'bigint' ? Number(time) : fail();
	if (ns < 0 || !Number.isFinite(ns)) fail();
	const keys = cert === undefined ? undefined : readKeys(stringOf(cert));
	// Exactly one of certificate and secret.
	if ((keys === undefined) === (stringOf(secret) === '')) fail();
	return { keys, secret: stringOf(secret), alg: stringOf(alg), iss: stringOf(iss), aud: stringOf(aud), time: ns / 1e9 };
}

/** Levels of tokens in tokens. */
const maxNesting = 10;

function decodeVerify(text: string, constraints: Constraints): RegoValue {
	const unverified = [false, emptyObject(), emptyObject()];
	let inner = text;
	for (let level = 0; level < maxNesting; level++) {
		const token = split(inner);
		const header = readHeader(token);
		const fields = knownFields(header);
		if (fields.alg === '' || !fields.isCriticalKnown || (constraints.alg !== '' && constraints.alg !== fields.alg)) return unverified;
		if (!isSigned(token, fields, constraints)) return unverified;
		if (fields.cty.toLowerCase() === 'jwt') {
			inner = textOf(decodeBase64Url(token.payload));
			continue;
		}
		const payload = readObject(token.payload);
		return areClaimsValid(payload, constraints) ? [true, header, payload] : unverified;
	}
	return fail();
}

function isSigned(token: Token, fields: KnownFields, { keys, secret }: Constraints): boolean {
	const signature = decodeBase64Url(token.signature);
	const candidates = keys ?? [{ alg: '', kid: '', key: Buffer.from(secret), isPrivate: false }];
	return isSignedByAny(candidates, fields, (key) =>
		isSignedBy(key, fields.alg, `${token.header}.${token.payload}`, signature, 'decodeVerify'),
	);
}

function areClaimsValid({ iss, aud, exp, nbf }: PlainObject, constraints: Constraints): boolean {
	if (constraints.iss !== '' && (iss === undefined || stringOf(iss) !== constraints.iss)) return false;
	// A token for an audience is only good for a caller that names it, and the other way round.
	if (aud === undefined ? constraints.aud !== '' : !isAudience(aud, constraints.aud)) return false;
	if (exp !== undefined && compare(constraints.time, secondsOf(exp)) >= 0) return false;
	return nbf === undefined || compare(constraints.time, secondsOf(nbf)) >= 0;
}

function isAudience(aud: RegoValue, wanted: string): boolean {
	return aud === wanted || (Array.isArray(aud) && aud.includes(wanted));
}

function secondsOf(claim: RegoValue): number | bigint {
	return typeof claim === 'number' || typeof claim === 'bigint' ? claim : fail();
}
