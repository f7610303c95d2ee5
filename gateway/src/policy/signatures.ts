import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '../domain.ts';
import { refuseBundle } from './bundle-files.ts';
import { isHmac, isSignedBy, KeyProblem, type SignatureAlgorithm, signingKey, signJws, verificationKey } from './jws.ts';
import { hashForm } from './opa-json.ts';

/** The signature of a bundle: `.signatures.json` with one JWS over the names and digests of all its files. */
export const SIGNATURES_FILE = '.signatures.json';

export interface TrustedKey {
	/** PEM of a public key or certificate; for HS* the secret. */
	readonly key: string;
	/** The only algorithm that this key verifies, whatever a signature says of itself. */
	readonly algorithm: SignatureAlgorithm;
	/** What the signature's `scope` has to be, unless {@link Verification.scope} says. */
	readonly scope?: string;
	/** Accept HS*: whoever can verify such a signature can also make one. */
	readonly allowHmac?: boolean;
}

/** What a bundle has to be signed with. Where there is one, an unsigned bundle is refused. */
export interface Verification {
	readonly keys: Readonly<Record<string, TrustedKey>>;
	/** The one key that counts; otherwise the signature names it by its `kid`, or there is only one. */
	readonly keyid?: string;
	readonly scope?: string;
}

/** Who signed a bundle. */
export interface Signature {
	readonly keyid: string;
	readonly algorithm: SignatureAlgorithm;
	readonly scope?: string;
}

interface SignedFile {
	readonly name: string;
	readonly hash: string;
	readonly algorithm: string;
}

/** OPA's names of digests. MD5 and SHA-1, which OPA takes too, prove nothing any more. */
const DIGESTS: Readonly<Record<string, string>> = {
	'SHA-224': 'sha224',
	'SHA-256': 'sha256',
	'SHA-384': 'sha384',
	'SHA-512': 'sha512',
	'SHA-512-224': 'sha512-224',
	'SHA-512-256': 'sha512-256',
};

/**
 * Verifies that the files are exactly the signed ones. Undefined for an unsigned bundle where no signature is asked for.
 * @throws {ToolGateError} BUNDLE: unsigned, signed by nobody we know, for another scope, or changed since.
 */
export function verifySignature(files: ReadonlyMap<string, Uint8Array>, verification: Verification | undefined): Signature | undefined {
	const signatures = files.get(SIGNATURES_FILE);
	if (verification === undefined) {
		return signatures === undefined
			? undefined
			: refuseBundle('the bundle is signed, but no key to verify it is configured: name it under opa.keys');
	}
	if (signatures === undefined)
		return refuseBundle(`the bundle is not signed (${SIGNATURES_FILE} is missing), and a key to verify it is configured`);
	const { signature, payload } = verifyToken(tokenOf(signatures), verification);
	demandFiles(files, signedFiles(payload['files']));
	return signature;
}

/** `.signatures.json` for the files, as `opa sign` makes it. @throws {KeyProblem} */
export function signFiles(
	files: ReadonlyMap<string, Uint8Array>,
	{
		key,
		algorithm,
		keyid,
		scope,
	}: { readonly key: string; readonly algorithm: SignatureAlgorithm; readonly keyid?: string; readonly scope?: string },
): Buffer {
	const listed = [...files].filter(([name]) => name !== SIGNATURES_FILE).sort(([a], [b]) => (a < b ? -1 : 1));
	const payload = {
		files: listed.map(([name, bytes]) => ({ name, hash: digestOf(name, bytes, 'sha256'), algorithm: 'SHA-256' })),
		...(scope === undefined ? {} : { scope }),
		...(keyid === undefined ? {} : { keyid }),
	};
	const token = signJws(keyid === undefined ? {} : { kid: keyid }, JSON.stringify(payload), signingKey(key, algorithm), algorithm);
	return Buffer.from(JSON.stringify({ signatures: [token] }, undefined, 1));
}

/** What a signature says of itself. Nothing of it is proved. @throws {ToolGateError} BUNDLE: it can't be read. */
export function claimsOf(files: ReadonlyMap<string, Uint8Array>): { algorithm?: string; keyid?: string; scope?: string } | undefined {
	const bytes = files.get(SIGNATURES_FILE);
	if (bytes === undefined) return undefined;
	const { header, payload } = partsOf(tokenOf(bytes));
	const claims = {
		algorithm: named(header['alg']),
		keyid: named(header['kid']) ?? named(payload['keyid']),
		scope: named(payload['scope']),
	};
	return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

function tokenOf(bytes: Uint8Array): string {
	const signatures = object(parse(bytes, SIGNATURES_FILE), SIGNATURES_FILE)['signatures'];
	if (!Array.isArray(signatures) || signatures.length !== 1) return refuseBundle(`${SIGNATURES_FILE}: expected exactly one signature`);
	const [token] = signatures;
	return typeof token === 'string' ? token : refuseBundle(`${SIGNATURES_FILE}: the signature is not a text`);
}

interface Parts {
	readonly header: JsonObject;
	readonly payload: JsonObject;
	/** What is signed. */
	readonly text: string;
	readonly signature: Buffer;
}

function partsOf(token: string): Parts {
	const parts = token.split('.');
	if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part)))
		return refuseBundle(`${SIGNATURES_FILE}: not a JWS in compact form`);
	const [header, payload, signature] = parts.map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer, Buffer];
	const read = (bytes: Buffer) => object(parse(bytes, 'the signature'), 'the signature');
	return { header: read(header), payload: read(payload), text: `${parts[0]}.${parts[1]}`, signature };
}

function verifyToken(token: string, { keys, keyid, scope }: Verification): { signature: Signature; payload: JsonObject } {
	const { header, payload, text, signature } = partsOf(token);
	const id = keyid ?? named(header['kid']) ?? named(payload['keyid']) ?? onlyOne(keys);
	const trusted = Object.hasOwn(keys, id)
		? keys[id]!
		: refuseBundle(`signed with the key ${JSON.stringify(id)}, which is not configured; known: ${Object.keys(keys).join(', ')}`);
	const { algorithm } = trusted;
	if (header['alg'] !== algorithm)
		return refuseBundle(`signed with ${JSON.stringify(header['alg'] ?? null)}, but the key ${id} is configured for ${algorithm}`);
	if (header['crit'] !== undefined || header['b64'] !== undefined)
		return refuseBundle('the signature demands extensions that are not supported (crit)');
	if (isHmac(algorithm) && trusted.allowHmac !== true)
		return refuseBundle(
			`the key ${id} is a shared secret (${algorithm}): whoever verifies with it can sign with it; allow it with allow_hmac`,
		);
	if (!isSignedBy(keyOf(id, trusted), algorithm, text, signature)) {
		return refuseBundle(`the signature is not by the key ${id}`);
	}
	const expectedScope = scope ?? trusted.scope ?? '';
	const signedScope = payload['scope'] ?? '';
	if (signedScope !== expectedScope)
		return refuseBundle(`signed for the scope ${JSON.stringify(signedScope)}; expected ${JSON.stringify(expectedScope)}`);
	return { signature: { keyid: id, algorithm, ...(expectedScope === '' ? {} : { scope: expectedScope }) }, payload };
}

function keyOf(id: string, { key, algorithm }: TrustedKey): ReturnType<typeof verificationKey> {
	try {
		return verificationKey(key, algorithm);
	} catch (error) {
		if (!(error instanceof KeyProblem)) throw error;
		return refuseBundle(`the configured key ${id}: ${error.message}`);
	}
}

const named = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

function onlyOne(keys: Verification['keys']): string {
	const ids = Object.keys(keys);
	return ids.length === 1 ? ids[0]! : refuseBundle('the signature names no key, and several are configured: say which with signing.keyid');
}

function signedFiles(value: JsonValue | undefined): SignedFile[] {
	if (!Array.isArray(value)) return refuseBundle('the signature lists no files');
	const files = value.map((entry) => {
		const { name, hash, algorithm } = (typeof entry === 'object' && entry !== null ? entry : {}) as JsonObject;
		if (typeof name !== 'string' || typeof hash !== 'string' || typeof algorithm !== 'string')
			return refuseBundle('the signature has a file without name, hash or algorithm');
		return { name: name.replace(/^\//, ''), hash, algorithm };
	});
	return new Set(files.map(({ name }) => name)).size === files.length ? files : refuseBundle('the signature lists a file twice');
}

/** Nothing besides what was signed, nothing missing, nothing changed. */
function demandFiles(files: ReadonlyMap<string, Uint8Array>, signed: readonly SignedFile[]): void {
	const names = new Set(signed.map(({ name }) => name));
	const unsigned = [...files.keys()].find((name) => name !== SIGNATURES_FILE && !names.has(name));
	if (unsigned !== undefined) refuseBundle(`${unsigned} is in the bundle, but not in its signature`);
	for (const { name, hash, algorithm } of signed) {
		const bytes = files.get(name) ?? refuseBundle(`${name} is signed, but not in the bundle`);
		const digest = Object.hasOwn(DIGESTS, algorithm)
			? DIGESTS[algorithm]!
			: refuseBundle(`${name} is signed by a digest ${JSON.stringify(algorithm)}; expected SHA-256 or another of its family`);
		if (digestOf(name, bytes, digest) !== hash.toLowerCase()) refuseBundle(`${name} is not what was signed`);
	}
}

/** Files that OPA parses before it hashes them: white space and the order of keys don't count. */
function isStructured(name: string): boolean {
	return /(?:^|\/)(?:data\.json|\.manifest)$/.test(name);
}

function digestOf(name: string, bytes: Uint8Array, digest: string): string {
	const hash = createHash(digest);
	return (isStructured(name) ? hash.update(parse(bytes, name, hashForm)) : hash.update(bytes)).digest('hex');
}

function parse<T = JsonValue>(bytes: Uint8Array, name: string, read: (text: string) => T = JSON.parse as (text: string) => T): T {
	try {
		return read(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
	} catch (cause) {
		return refuseBundle(`${name} is not JSON`, { cause });
	}
}

function object(value: JsonValue, name: string): JsonObject {
	return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : refuseBundle(`${name} is not a JSON object`);
}
