import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';

/**
 * Callbacks of Lark, verified over the raw bytes. The SDK does not serve here: it skips the check without an encrypt key, and hashes
 * re-serialised JSON. A card callback is signed by SHA-1 over timestamp, nonce, verification token and body; with an encrypt key, by SHA-256
 * over timestamp, nonce, encrypt key and body (open.larksuite.com, "Event and callback security").
 */

export interface LarkSecrets {
	readonly verificationToken?: string;
	readonly encryptKey?: string;
}

export interface CallbackRequest {
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly body: Uint8Array;
}

export type Callback =
	| { readonly kind: 'challenge'; readonly challenge: string }
	| {
			readonly kind: 'click';
			readonly openId: string;
			readonly approvalId: string;
			readonly decision: 'approve' | 'reject';
			readonly eventId: string;
	  }
	/** Not from Lark, or not now: refused, and audited. */
	| { readonly kind: 'refused'; readonly why: string };

const STALE_MS = 300_000;
const MAX_REMEMBERED = 10_000;

/** Tells Lark's callbacks from others, each once. */
export class CallbackVerifier {
	readonly #secrets: LarkSecrets;
	readonly #nowMs: () => number;
	/** Nonces and event ids with the time they may be forgotten. */
	readonly #seen = new Map<string, number>();

	constructor(secrets: LarkSecrets, nowMs: () => number) {
		if (!secrets.verificationToken && !secrets.encryptKey)
			throw new RangeError('neither a verification token nor an encrypt key: callbacks could not be verified');
		this.#secrets = secrets;
		this.#nowMs = nowMs;
	}

	verify({ headers, body }: CallbackRequest): Callback {
		const parsed = object(parse(body));
		if (parsed === undefined) return refused('the body is not a JSON object');
		const isEncrypted = typeof parsed['encrypt'] === 'string';
		if (this.#secrets.encryptKey !== undefined && !isEncrypted)
			return refused('the body is not encrypted, though an encrypt key is configured');
		const content = isEncrypted ? object(this.#decrypt(parsed['encrypt'] as string)) : parsed;
		if (content === undefined) return refused('the body can not be decrypted');
		// Lark checks the address before anything can be signed; the token in the body is what it sends then.
		if (content['type'] === 'url_verification') return this.#challenge(content);
		const signature = this.#signature(headers, body);
		if (signature !== undefined) return refused(signature);
		return this.#click(content, String(headers['x-lark-request-nonce']));
	}

	#challenge({ challenge, token }: Record<string, unknown>): Callback {
		const { verificationToken } = this.#secrets;
		if (typeof challenge !== 'string' || (verificationToken !== undefined && token !== verificationToken))
			return refused('a url_verification with another token');
		return { kind: 'challenge', challenge };
	}

	/** What is wrong with the signature, or undefined. */
	#signature(headers: CallbackRequest['headers'], body: Uint8Array): string | undefined {
		const { 'x-lark-request-timestamp': timestamp, 'x-lark-request-nonce': nonce, 'x-lark-signature': signature } = headers;
		if (typeof timestamp !== 'string' || typeof nonce !== 'string' || typeof signature !== 'string')
			return 'the signature headers are missing';
		const { encryptKey, verificationToken } = this.#secrets;
		const [algorithm, secret] = encryptKey === undefined ? (['sha1', verificationToken!] as const) : (['sha256', encryptKey] as const);
		const expected = createHash(algorithm)
			.update(timestamp + nonce + secret)
			.update(body)
			.digest();
		const given = Buffer.from(/^[0-9a-f]*$/i.test(signature) ? signature : '', 'hex');
		if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'the signature is wrong';
		const sentMs = Number(timestamp) * 1000;
		if (!(Math.abs(this.#nowMs() - sentMs) <= STALE_MS)) return 'the callback is stale';
		return undefined;
	}

	#click(content: Record<string, unknown>, nonce: string): Callback {
		const header = object(content['header']) ?? {};
		const event = object(content['event']) ?? {};
		const eventId = header['event_id'];
		if (header['event_type'] !== 'card.action.trigger' || typeof eventId !== 'string')
			return refused(`not a card callback: ${String(header['event_type'])}`);
		const { verificationToken } = this.#secrets;
		if (verificationToken !== undefined && header['token'] !== verificationToken) return refused('the verification token is wrong');
		if (!this.#isFirst(`nonce ${nonce}`) || !this.#isFirst(`event ${eventId}`)) return refused('the callback was repeated');
		const openId = object(event['operator'])?.['open_id'];
		const value = object(object(object(event['action'])?.['value'])?.['toolgate']);
		const approvalId = value?.['approval'];
		const decision = value?.['decision'];
		if (typeof openId !== 'string' || typeof approvalId !== 'string' || (decision !== 'approve' && decision !== 'reject'))
			return refused('the callback is not of a button of ours');
		return { kind: 'click', openId, approvalId, decision, eventId };
	}

	#isFirst(key: string): boolean {
		const nowMs = this.#nowMs();
		for (const [old, forgetMs] of this.#seen) {
			if (forgetMs > nowMs && this.#seen.size < MAX_REMEMBERED) break;
			this.#seen.delete(old);
		}
		if (this.#seen.has(key)) return false;
		this.#seen.set(key, nowMs + 2 * STALE_MS);
		return true;
	}

	/** AES-256-CBC under the SHA-256 of the encrypt key, base64 of IV and ciphertext. */
	#decrypt(encrypted: string): unknown {
		const { encryptKey } = this.#secrets;
		if (encryptKey === undefined) return undefined;
		try {
			const bytes = Buffer.from(encrypted, 'base64');
			const decipher = createDecipheriv('aes-256-cbc', createHash('sha256').update(encryptKey).digest(), bytes.subarray(0, 16));
			return parse(Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]));
		} catch {
			return undefined;
		}
	}
}

const refused = (why: string): Callback => ({ kind: 'refused', why });

function parse(bytes: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
	} catch {
		return undefined;
	}
}

function object(value: unknown): Record<string, unknown> | undefined {
	return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
