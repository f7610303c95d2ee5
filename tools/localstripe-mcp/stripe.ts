import Stripe from 'stripe';
import { UsageError } from '../run-server.ts';

/** A Stripe client for `apiBase`: the real API, or a server that speaks it. Test mode only: an agent's demo has no business with live money. */
export function connectStripe(apiKey: string, apiBase: string): Stripe {
	if (!/^(sk|rk)_test_/.test(apiKey)) throw new UsageError('STRIPE_API_KEY is not a key of test mode (sk_test_… or rk_test_…)');
	const url = URL.parse(apiBase);
	if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
		throw new UsageError(`the Stripe API base is "${apiBase}", expected http(s)://host:port without a path`);
	}
	return new Stripe(apiKey, {
		host: url.hostname,
		port: url.port || (url.protocol === 'https:' ? 443 : 80),
		protocol: url.protocol === 'https:' ? 'https' : 'http',
		timeout: 10_000,
		maxNetworkRetries: 1,
		telemetry: false,
	});
}

/** Awaits a Stripe answer; where it is a refusal, throws a sentence for a model to read. */
export async function ask<T>(answer: Promise<T>): Promise<T> {
	try {
		return await answer;
	} catch (error) {
		if (error instanceof Stripe.errors.StripeConnectionError)
			throw new Error('Stripe could not be reached; nothing is known to have happened. Try again later.');
		if (error instanceof Stripe.errors.StripeError) throw new Error(`Stripe refused: ${error.message}`);
		throw error;
	}
}
