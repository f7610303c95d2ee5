import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { JsonValue } from './domain.ts';

/** What the deployment key is used for; each purpose has a key of its own (HKDF, RFC 5869). */
type Purpose = 'digest' | 'seal' | 'checkpoint';

/** The keys of one deployment, all derived from one 32-byte secret. */
export interface Keys {
	/** Names the deployment key in digests, so that keys can be rotated: 8 hex digits. */
	readonly id: string;
	/** `hmac-sha256:<key id>:<64 hex>` over canonical JSON: arguments and whatever a redaction removed. */
	keyedDigest(value: JsonValue): string;
	/** AES-256-GCM; `context` is bound as additional data and must be the same to open. */
	seal(plain: Uint8Array, context: string): Uint8Array;
	/** The plain bytes, or undefined when the box was made with another key or context, or was altered. */
	open(box: Uint8Array, context: string): Uint8Array | undefined;
	/** 32 bytes: the Ed25519 seed that signs checkpoints. */
	readonly checkpointSeed: Uint8Array;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function deriveKeys(deploymentKey: Uint8Array): Keys {
	if (deploymentKey.length !== 32) throw new RangeError(`the deployment key has ${deploymentKey.length} bytes, expected 32`);
	const derive = (purpose: Purpose) => Buffer.from(hkdfSync('sha256', deploymentKey, 'toolgate', purpose, 32));
	const digestKey = derive('digest');
	const sealKey = derive('seal');
	const id = createHmac('sha256', digestKey).update('key id').digest('hex').slice(0, 8);
	return {
		id,
		checkpointSeed: derive('checkpoint'),
		keyedDigest: (value) => `hmac-sha256:${id}:${createHmac('sha256', digestKey).update(canonicalJson(value)).digest('hex')}`,
		seal(plain, context) {
			const nonce = randomBytes(NONCE_BYTES);
			const cipher = createCipheriv('aes-256-gcm', sealKey, nonce).setAAD(Buffer.from(context));
			return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
		},
		open(box, context) {
			if (box.length < NONCE_BYTES + TAG_BYTES) return undefined;
			const end = box.length - TAG_BYTES;
			const decipher = createDecipheriv('aes-256-gcm', sealKey, box.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(context));
			decipher.setAuthTag(box.subarray(end));
			try {
				return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, end)), decipher.final()]);
			} catch {
				return undefined;
			}
		},
	};
}
