import {
	constants,
	createHmac,
	createPublicKey,
	type KeyObject,
	timingSafeEqual,
	verify as verifySignature,
	type webcrypto,
	X509Certificate,
} from 'node:crypto';
import { SIGNATURE_ALGORITHMS } from '../jws.ts';
import { decodeBase64Url } from './base64url.ts';
import { unmarshalJson } from './go-json.ts';
import { fail, isObject, type PlainObject } from './operands.ts';

/** A key that may verify tokens; `secret` for symmetric keys. `alg` and `kid` are '' where the key doesn't say. */
export interface VerificationKey {
	readonly alg: string;
	readonly kid: string;
	readonly key: KeyObject | Buffer;
	readonly isPrivate: boolean;
}

const signatureAlgorithms = new Set<string>([...SIGNATURE_ALGORITHMS, 'EdDSA']);

// A key for one of these is passed over; one for an algorithm that isn't known at all is an error.
const otherAlgorithms = new Set([
	'none',
	'Ed25519',
	'ES256K',
	'dir',
	'RSA1_5',
	'RSA-OAEP',
	'RSA-OAEP-256',
	'RSA-OAEP-384',
	'RSA-OAEP-512',
	'ECDH-ES',
	...['A128', 'A192', 'A256'].flatMap((size) => [`${size}KW`, `${size}GCMKW`, `${size}GCM`, `ECDH-ES+${size}KW`]),
	'PBES2-HS256+A128KW',
	'PBES2-HS384+A192KW',
	'PBES2-HS512+A256KW',
	'A128CBC-HS256',
	'A192CBC-HS384',
	'A256CBC-HS512',
]);

/** Keys that a set may have. */
const maxKeys = 1_000;

/** The keys of a PEM certificate or public key, a JWK, or a JWK set; fails where one can't be read. */
export function readKeys(text: string): VerificationKey[] {
	const pem = /(?:^|\n)-----BEGIN ([^\n]*?)-----[ \t\r]*\n([A-Za-z0-9+/=\s]*)-----END \1-----[ \t\r]*(?:\n|$)/.exec(text);
	if (pem) {
		if (pem.index + pem[0].length < text.length) fail();
		return [{ alg: '', kid: '', key: readPem(pem[1] ?? '', Buffer.from(pem[2] ?? '', 'base64')), isPrivate: false }];
	}
	const document = unmarshalJson(text);
	if (!isObject(document)) return fail();
	const { keys } = document as PlainObject;
	if (keys === undefined) return readJwk(document as PlainObject);
	if (!Array.isArray(keys) || keys.length > maxKeys) return fail();
	return keys.flatMap((key) => (isObject(key) ? readJwk(key as PlainObject) : fail()));
}

function readPem(type: string, der: Buffer): KeyObject {
	try {
		if (type === 'CERTIFICATE') return new X509Certificate(der).publicKey;
		if (type === 'PUBLIC KEY') return createPublicKey({ key: der, format: 'der', type: 'spki' });
	} catch {
		// Not what it says it is.
	}
	return fail();
}

function readJwk(jwk: PlainObject): VerificationKey[] {
	const { alg = '', kid = '', kty } = jwk;
	if (typeof alg !== 'string' || typeof kid !== 'string') return fail();
	const key = kty === 'oct' ? readSecret(jwk) : readPublic(jwk);
	if (alg !== '' && !signatureAlgorithms.has(alg)) return otherAlgorithms.has(alg) ? [] : fail();
	return [{ alg, kid, key, isPrivate: jwk['d'] !== undefined && kty !== 'oct' }];
}

function readSecret({ k }: PlainObject): Buffer {
	const secret = typeof k === 'string' ? decodeBase64Url(k) : fail();
	return secret.length === 0 ? fail() : secret;
}

function readPublic({ kty, crv, n, e, x, y }: PlainObject): KeyObject {
	const isKnown =
		kty === 'RSA' || (kty === 'EC' && /^P-(?:256|384|521)$/.test(String(crv))) || (kty === 'OKP' && /^(?:Ed|X)25519$/.test(String(crv)));
	if (!isKnown) fail();
	try {
		return createPublicKey({ key: JSON.parse(JSON.stringify({ kty, crv, n, e, x, y })) as webcrypto.JsonWebKey, format: 'jwk' });
	} catch {
		return fail();
	}
}

/** How much of OPA's two ways of verifying differ: `io.jwt.verify_*` is looser on lengths, `decode_verify` on private keys. */
export type Strictness = 'verify' | 'decodeVerify';

/** Whether the signature over `content` is the key's under a JOSE algorithm; false for a key of another kind. */
export function isSignedBy(key: VerificationKey, alg: string, content: string, signature: Buffer, strictness: Strictness): boolean {
	const digest = `sha${alg.slice(2)}`;
	if (/^HS(?:256|384|512)$/.test(alg)) return Buffer.isBuffer(key.key) && isMac(key.key, digest, content, signature);
	if (Buffer.isBuffer(key.key) || (key.isPrivate && strictness === 'verify')) return false;
	const { asymmetricKeyType } = key.key;
	if (/^RS(?:256|384|512)$/.test(alg)) return isStrongRsa(key.key) && verifySignature(digest, Buffer.from(content), key.key, signature);
	if (/^PS(?:256|384|512)$/.test(alg)) {
		const saltLength = strictness === 'verify' ? constants.RSA_PSS_SALTLEN_AUTO : constants.RSA_PSS_SALTLEN_DIGEST;
		return (
			isStrongRsa(key.key) &&
			verifySignature(digest, Buffer.from(content), { key: key.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature)
		);
	}
	if (/^ES(?:256|384|512)$/.test(alg)) return asymmetricKeyType === 'ec' && isEcdsa(key.key, digest, content, signature, strictness);
	return (
		/^(?:EdDSA|Ed25519)$/.test(alg) && asymmetricKeyType === 'ed25519' && verifySignature(null, Buffer.from(content), key.key, signature)
	);
}

/** Whether the signature is the HMAC of `content`. */
export function isMac(secret: Buffer, digest: string, content: string, signature: Buffer): boolean {
	const mac = createHmac(digest, secret).update(content).digest();
	return mac.length === signature.length && timingSafeEqual(mac, signature);
}

/** Go refuses RSA keys below 1,024 bits and exponents beyond 31 bits. */
function isStrongRsa(key: KeyObject): boolean {
	const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
	return key.asymmetricKeyType === 'rsa' && modulusLength >= 1024 && publicExponent < 1n << 31n;
}

/** r and s side by side. Their widths are the curve's, but `io.jwt.verify_es*` takes any two halves. */
function isEcdsa(key: KeyObject, digest: string, content: string, signature: Buffer, strictness: Strictness): boolean {
	const width = { prime256v1: 32, secp384r1: 48, secp521r1: 66 }[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 0;
	const half = signature.length >> 1;
	if (strictness === 'decodeVerify' ? signature.length !== width * 2 : half === 0) return false;
	const halves = [signature.subarray(0, half), signature.subarray(half)].map((bytes) => bytes.toString('hex').replace(/^(?:00)+/, ''));
	if (halves.some((hex) => hex.length > width * 2)) return false;
	const fixed = Buffer.from(halves.map((hex) => hex.padStart(width * 2, '0')).join(''), 'hex');
	return verifySignature(digest, Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }, fixed);
}
