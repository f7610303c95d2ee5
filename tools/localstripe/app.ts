import { randomBytes } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { StripeError, refused } from './errors.ts';
import { parseForm, type Params } from './form.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { OPERATIONS } from './operations.ts';
import { ledgerOf, seed } from './state.ts';

const DEFAULT_VERSION = '2026-10-28.endive';

/**
 * A fake Stripe API over state in memory. `/v1/*` speaks Stripe's protocol; `GET /_ledger`, `POST /_reset` and `POST /_charges/:id` (with
 * `description=…`, what a buyer has written there) are for those who test against it and need no key.
 */
export function buildLocalstripe(): FastifyInstance {
	const app = fastify({ routerOptions: { maxParamLength: 255 } });
	let state = seed();
	let keys = new IdempotencyKeys();

	app.removeAllContentTypeParsers();
	app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
		try {
			done(null, parseForm(body as string));
		} catch (error) {
			done(error as Error);
		}
	});

	app.get('/_ledger', () => ledgerOf(state));
	app.post('/_reset', () => {
		state = seed();
		keys = new IdempotencyKeys();
		return ledgerOf(state);
	});

	app.post('/_charges/:id', (request, reply) => {
		const charge = state.charges.find(({ id }) => id === (request.params as { id: string }).id);
		const { description } = (request.body ?? {}) as Params;
		if (charge === undefined || typeof description !== 'string')
			return reply.code(400).send({ error: 'an existing charge and a description are needed' });
		charge.description = description;
		return charge;
	});

	app.register(async (v1) => {
		v1.addHook('onRequest', (request, reply, done) => {
			reply.header('request-id', `req_${randomBytes(7).toString('hex')}`);
			reply.header('stripe-version', versionOf(request));
			authenticate(request);
			done();
		});
		for (const [route, operation] of Object.entries(OPERATIONS)) {
			const [method, url] = route.split(' ') as [string, string];
			v1.route({
				method,
				url,
				handler: (request, reply) => {
					const id = (request.params as { id?: string }).id ?? '';
					// Parsed here and not by fastify, which never answers where its own query parser throws.
					const params = { ...parseForm(request.url.split('?')[1] ?? ''), ...(request.body as Params | undefined) };
					const key = method === 'POST' ? request.headers['idempotency-key'] : undefined;
					if (key === undefined) return operation(state, params, id);
					const answer = keys.once(String(key), request.url, params, () => operation(state, params, id));
					reply.header('idempotency-key', key);
					if (answer.isReplay) reply.header('idempotent-replayed', 'true');
					return reply.code(answer.status).send(answer.body);
				},
			});
		}
	});

	app.setNotFoundHandler((request, reply) =>
		reply.code(404).send({
			error: {
				type: 'invalid_request_error',
				message: `Unrecognized request URL (${request.method}: ${request.url.split('?')[0]}). localstripe knows customers, charges, refunds and payouts.`,
			},
		}),
	);
	app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
		if (error instanceof StripeError) return reply.code(error.status).send(error.body);
		const status = error.statusCode ?? 500;
		return reply.code(status).send({ error: { type: status < 500 ? 'invalid_request_error' : 'api_error', message: error.message } });
	});
	return app;
}

/** A bearer token, or the user name of basic authentication: any secret or restricted key of test mode. */
function authenticate(request: FastifyRequest): void {
	const [scheme, credentials = ''] = (request.headers.authorization ?? '').split(' ');
	const key = scheme?.toLowerCase() === 'basic' ? (Buffer.from(credentials, 'base64').toString().split(':')[0] ?? '') : credentials;
	if (!key) {
		throw new StripeError(
			401,
			'invalid_request_error',
			"You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
		);
	}
	if (!/^(sk|rk)_test_\w+$/.test(key)) {
		throw new StripeError(401, 'invalid_request_error', `Invalid API Key provided: ${key.slice(0, 8)}${'*'.repeat(8)}${key.slice(-4)}`);
	}
}

function versionOf(request: FastifyRequest): string {
	const version = request.headers['stripe-version'] ?? DEFAULT_VERSION;
	if (!/^\d{4}-\d{2}-\d{2}(\.[a-z_]+)?$/.test(String(version))) throw refused(`Invalid Stripe API version: ${version}`);
	return String(version);
}
