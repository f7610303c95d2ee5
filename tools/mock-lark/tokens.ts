import { createHmac, timingSafeEqual } from 'node:crypto';

const LIFETIME_SECONDS = 7200;

/**
 * Tenant access tokens that outlive a restart, as those of the real Lark do: the expiry and a MAC of it, so nothing is stored. The official SDK
 * keeps a token until it expires, and doesn't ask again when one is refused.
 */
export class TenantTokens {
	#appSecret: string;

	constructor(appSecret: string) {
		this.#appSecret = appSecret;
	}

	issue(): { token: string; expire: number } {
		const expiry = (Math.floor(Date.now() / 1000) + LIFETIME_SECONDS).toString(16);
		return { token: `t-${expiry}-${this.#mac(expiry)}`, expire: LIFETIME_SECONDS };
	}

	isValid(token: string): boolean {
		const [, expiry, mac] = /^t-([0-9a-f]+)-([0-9a-f]{64})$/.exec(token) ?? [];
		if (!expiry || !mac) return false;
		return timingSafeEqual(Buffer.from(mac), Buffer.from(this.#mac(expiry))) && parseInt(expiry, 16) > Date.now() / 1000;
	}

	#mac(expiry: string): string {
		return createHmac('sha256', this.#appSecret).update(expiry).digest('hex');
	}
}
