import {
	constants,
	createHmac,
	createPrivateKey,
	createPublicKey,
	type KeyObject,
	sign,
	timingSafeEqual,
	verify,
	X509Certificate,
} from 'node:crypto';

/** Signatures of RFC 7515 with the algorithms of RFC 7518, section 3, as OPA's bundles use them. */
export const SIGNATURE_ALGORITHMS = [
	'RS256',
	'RS384',
	'RS512',
	'PS256',
	'PS384',
	'PS512',
	'ES256',
	'ES384',
	'ES512',
	'HS256',
	'HS384',
	'HS512',
] as const;
export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

export const isHmac = (algorithm: SignatureAlgorithm): boolean => algorithm.startsWith('HS');

const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' };
const MIN_RSA_BITS = 2048;
const MIN_SECRET_BYTES = 32;

/** A key that can't be read, or does not fit its algorithm. The message says what was expected. */
export class KeyProblem extends Error {
	override readonly name = 'KeyProblem';
}

/** A PEM public key or certificate; for HS* the secret itself. @throws {KeyProblem} */
export function verificationKey(text: string, algorithm: SignatureAlgorithm): KeyObject | Buffer {
	return isHmac(algorithm)
		? secretOf(text)
		: fitting(
				read(
					text,
					(pem) => (pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem)),
					'a public key or certificate',
				),
				algorithm,
			);
}

/** A PEM private key; for HS* the secret itself. @throws {KeyProblem} */
export function signingKey(text: string, algorithm: SignatureAlgorithm): KeyObject | Buffer {
	return isHmac(algorithm)
		? secretOf(text)
		: fitting(
				read(text, (pem) => createPrivateKey(pem), 'a private key without a passphrase'),
				algorithm,
			);
}

/** Whether `signature` is that of `text`. */
export function isSignedBy(key: KeyObject | Buffer, algorithm: SignatureAlgorithm, text: string, signature: Buffer): boolean {
	if (Buffer.isBuffer(key)) {
		const expected = hmac(key, algorithm, text);
		return expected.length === signature.length && timingSafeEqual(expected, signature);
	}
	return verify(hashOf(algorithm), Buffer.from(text), { key, ...padding(algorithm) }, signature);
}

/** The compact serialisation of `payload`. */
export function signJws(header: object, payload: string, key: KeyObject | Buffer, algorithm: SignatureAlgorithm): string {
	const encode = (text: string) => Buffer.from(text).toString('base64url');
	const text = `${encode(JSON.stringify({ alg: algorithm, typ: 'JWT', ...header }))}.${encode(payload)}`;
	const signature = Buffer.isBuffer(key)
		? hmac(key, algorithm, text)
		: sign(hashOf(algorithm), Buffer.from(text), { key, ...padding(algorithm) });
	return `${text}.${signature.toString('base64url')}`;
}

const hashOf = (algorithm: SignatureAlgorithm): string => `sha${algorithm.slice(2)}`;
const hmac = (key: Buffer, algorithm: SignatureAlgorithm, text: string): Buffer => createHmac(hashOf(algorithm), key).update(text).digest();

function padding(algorithm: SignatureAlgorithm): object {
	if (algorithm.startsWith('ES')) return { dsaEncoding: 'ieee-p1363' };
	if (algorithm.startsWith('PS')) return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
	return {};
}

function secretOf(text: string): Buffer {
	const secret = Buffer.from(text);
	// A public key that is taken for a secret lets everybody sign.
	if (text.includes('-----BEGIN')) throw new KeyProblem('a PEM key can not be the secret of an HS algorithm');
	if (secret.length < MIN_SECRET_BYTES) throw new KeyProblem(`a secret of ${secret.length} bytes; expected at least ${MIN_SECRET_BYTES}`);
	return secret;
}

function read(text: string, parse: (pem: string) => KeyObject, expected: string): KeyObject {
	try {
		return parse(text);
	} catch {
		throw new KeyProblem(`expected ${expected} in PEM`);
	}
}

function fitting(key: KeyObject, algorithm: SignatureAlgorithm): KeyObject {
	const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
	const curve = CURVES[algorithm];
	if (curve !== undefined) {
		if (type !== 'ec' || details?.namedCurve !== curve)
			throw new KeyProblem(`${algorithm} needs an EC key on ${curve}, this is ${type} ${details?.namedCurve ?? ''}`.trimEnd());
		return key;
	}
	if (type !== 'rsa') throw new KeyProblem(`${algorithm} needs an RSA key, this is ${type}`);
	if ((details?.modulusLength ?? 0) < MIN_RSA_BITS)
		throw new KeyProblem(`an RSA key of ${details?.modulusLength} bits; expected at least ${MIN_RSA_BITS}`);
	return key;
}
