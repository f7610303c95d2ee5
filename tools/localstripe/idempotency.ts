import { isDeepStrictEqual } from 'node:util';
import { ParameterError, StripeError } from './errors.ts';
import type { Params } from './form.ts';

type Kept = { url: string; params: Params; status: number; body: unknown };

/**
 * Stripe's idempotency keys: the first answer, refusals included, is kept and repeated to the same request; the same key with another request
 * is refused. An answer to parameters that failed validation is not kept, because nothing ran.
 */
export class IdempotencyKeys {
	#kept = new Map<string, Kept>();

	once(key: string, url: string, params: Params, run: () => unknown): { status: number; body: unknown; isReplay: boolean } {
		if (key.length > 255) throw new StripeError(400, 'idempotency_error', 'Idempotency keys may be at most 255 characters long.');
		const kept = this.#kept.get(key);
		if (kept) {
			if (kept.url !== url) {
				throw mismatch(
					`Keys for idempotent requests can only be used for the same endpoint they were first used for ('${url}' vs '${kept.url}'). Try using a key other than '${key}' if you meant to execute a different request.`,
				);
			}
			if (!isDeepStrictEqual(kept.params, params)) {
				throw mismatch(
					`Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
				);
			}
			return { ...kept, isReplay: true };
		}
		const answer = attempt(run);
		this.#kept.set(key, { url, params, ...answer });
		return { ...answer, isReplay: false };
	}
}

function attempt(run: () => unknown): { status: number; body: unknown } {
	try {
		// Kept as it is now: the object itself goes on changing with the state.
		return { status: 200, body: structuredClone(run()) };
	} catch (error) {
		if (error instanceof StripeError && !(error instanceof ParameterError)) return { status: error.status, body: error.body };
		throw error;
	}
}

function mismatch(message: string): StripeError {
	return new StripeError(400, 'idempotency_error', message);
}
