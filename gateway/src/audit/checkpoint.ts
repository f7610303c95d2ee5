import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonObject, JsonValue } from '../domain.ts';
import { ToolGateError } from '../errors.ts';

/** One signed head of a stream: up to `sequence`, the chain has the hash `hash`. */
export interface Checkpoint {
	readonly version: 1;
	/** `cut`: retention took away everything up to here, and the rest of the chain begins at it. */
	readonly kind: 'head' | 'cut';
	readonly stream: string;
	readonly sequence: number;
	/** Hex. */
	readonly hash: string;
	/** When it was signed, on the database's clock. */
	readonly timeMs: number;
	readonly keyId: string;
	/** Ed25519 over the canonical JSON of all other members; base64. */
	readonly signature: string;
}

/** Someone whose checkpoints count. */
export interface CheckpointKey {
	/** The first 16 hex digits of the SHA-256 of the public key's 32 bytes. */
	readonly id: string;
	readonly publicKey: KeyObject;
}

export interface CheckpointSigner extends CheckpointKey {
	sign(head: Pick<Checkpoint, 'kind' | 'stream' | 'sequence' | 'hash' | 'timeMs'>): Checkpoint;
	/** The public key as others need it. */
	readonly pem: string;
}

/** What precedes the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g;

/** @param seed 32 bytes */
export function checkpointSigner(seed: Uint8Array): CheckpointSigner {
	const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
	const publicKey = createPublicKey(privateKey);
	const id = keyIdOf(publicKey);
	return {
		id,
		publicKey,
		pem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
		sign(head) {
			const unsigned = { version: 1, ...head, keyId: id } as const;
			return { ...unsigned, signature: sign(null, signedBytes(unsigned), privateKey).toString('base64') };
		},
	};
}

/** Every public key in a PEM text. @throws {ToolGateError} BAD_INPUT: there is none, or one of another kind */
export function readPublicKeys(pem: string, where: string): CheckpointKey[] {
	const keys = (pem.match(PEM) ?? []).map((text) => {
		try {
			const publicKey = createPublicKey(text);
			if (publicKey.asymmetricKeyType === 'ed25519') return { id: keyIdOf(publicKey), publicKey };
		} catch {
			// Told below, like a key of another kind.
		}
		throw new ToolGateError('BAD_INPUT', `${where}: expected Ed25519 public keys in PEM, as toolgate audit key prints them`);
	});
	if (keys.length === 0) throw new ToolGateError('BAD_INPUT', `${where}: holds no public key in PEM, as toolgate audit key prints it`);
	return keys;
}

export const writeCheckpoint = (checkpoint: Checkpoint): string => canonicalJson(checkpoint as unknown as JsonObject);

/** The checkpoint in one line, or a sentence about what is wrong with it. */
export function readCheckpoint(line: string): Checkpoint | string {
	let value: JsonValue;
	try {
		value = JSON.parse(line) as JsonValue;
	} catch {
		return 'it is not JSON';
	}
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object';
	const { version, kind, stream, sequence, hash, timeMs, keyId, signature } = value;
	if (version !== 1) return `its version is ${JSON.stringify(version)}; expected 1`;
	const isWhole =
		(kind === 'head' || kind === 'cut') &&
		typeof stream === 'string' &&
		Number.isSafeInteger(sequence) &&
		typeof hash === 'string' &&
		/^[0-9a-f]{64}$/.test(hash) &&
		Number.isSafeInteger(timeMs) &&
		typeof keyId === 'string' &&
		typeof signature === 'string';
	return isWhole ? (value as unknown as Checkpoint) : 'a member is missing or of the wrong type';
}

/** What is wrong with its signature, or undefined when one of `keys` made it. */
export function wrongSignature(checkpoint: Checkpoint, keys: readonly CheckpointKey[]): string | undefined {
	const { signature, ...unsigned } = checkpoint;
	const key = keys.find(({ id }) => id === unsigned.keyId);
	if (key === undefined) return `it is signed by another key (${unsigned.keyId.slice(0, 64)})`;
	return verify(null, signedBytes(unsigned), key.publicKey, Buffer.from(signature, 'base64')) ? undefined : 'its signature is wrong';
}

const signedBytes = (unsigned: Omit<Checkpoint, 'signature'>): Buffer => Buffer.from(canonicalJson(unsigned as unknown as JsonObject));

function keyIdOf(publicKey: KeyObject): string {
	const { x } = publicKey.export({ format: 'jwk' });
	return createHash('sha256').update(Buffer.from(x!, 'base64url')).digest('hex').slice(0, 16);
}
