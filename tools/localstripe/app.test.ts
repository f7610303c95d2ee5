import t, { type Test } from 'tap';
import Stripe from 'stripe';
import type { AddressInfo } from 'node:net';
import { buildLocalstripe } from './app.ts';

type Started = { stripe: Stripe; url: string; ledger: () => Promise<Record<string, number>> };

async function start(t: Test): Promise<Started> {
	const app = buildLocalstripe();
	t.teardown(() => app.close());
	await app.listen({ host: '127.0.0.1', port: 0 });
	const { port } = app.server.address() as AddressInfo;
	const url = `http://127.0.0.1:${port}`;
	const stripe = new Stripe('sk_test_localstripe', { host: '127.0.0.1', port, protocol: 'http', telemetry: false, maxNetworkRetries: 0 });
	return { stripe, url, ledger: async () => (await (await fetch(`${url}/_ledger`)).json()) as Record<string, number> };
}

/** A raw call, where the SDK would hide what is asked. */
async function call(
	url: string,
	path: string,
	{
		method = 'GET',
		key = 'sk_test_x',
		body,
		headers = {},
	}: { method?: string; key?: string; body?: string; headers?: Record<string, string> } = {},
	// oxlint-disable-next-line typescript/no-explicit-any -- JSON of a reply, looked into by each test
): Promise<{ status: number; headers: Headers; json: any }> {
	const response = await fetch(url + path, {
		method,
		body,
		headers: {
			...(key && { authorization: `Bearer ${key}` }),
			...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
			...headers,
		},
	});
	return { status: response.status, headers: response.headers, json: await response.json() };
}

async function refusal(promise: Promise<unknown>): Promise<unknown> {
	return await promise.then(
		() => 'not refused',
		(error) => error,
	);
}

t.test('the official SDK reads customers, charges and payouts, newest first', async (t) => {
	const { stripe } = await start(t);
	const [alice] = (await stripe.customers.list({ email: 'alice@example.com' })).data;
	t.equal(alice?.id, 'cus_alice');
	const charges = await stripe.charges.list({ customer: 'cus_alice' });
	t.strictSame(
		charges.data.map(({ id, amount }) => [id, amount]),
		[
			['ch_alice_4', 4200],
			['ch_alice_3', 3500],
			['ch_alice_2', 1999],
			['ch_alice_1', 12000],
		],
	);
	t.equal((await stripe.charges.retrieve('ch_alice_2')).billing_details.email, 'alice@example.com');
	t.strictSame(
		(await stripe.payouts.list({ limit: 1 })).data.map(({ id }) => id),
		['po_3'],
	);
});

t.test('lists page by starting_after and ending_before, and the SDK walks them to the end', async (t) => {
	const { stripe } = await start(t);
	const walked: string[] = [];
	for await (const charge of stripe.charges.list({ limit: 2 })) walked.push(charge.id);
	t.equal(walked.length, 9);
	t.equal(new Set(walked).size, 9);
	const first = await stripe.charges.list({ limit: 3 });
	t.equal(first.has_more, true);
	const back = await stripe.charges.list({ limit: 2, ending_before: walked[4]! });
	t.strictSame(
		back.data.map(({ id }) => id),
		walked.slice(2, 4),
	);
	const { created } = await stripe.charges.retrieve(walked[3]!);
	t.strictSame(
		(await stripe.charges.list({ created: { gte: created } })).data.map(({ id }) => id),
		walked.slice(0, 4),
	);
	t.match(await refusal(stripe.charges.list({ limit: 101 })), { type: 'StripeInvalidRequestError', param: 'limit' });
	t.match(await refusal(stripe.charges.list({ starting_after: 'ch_none' })), {
		code: 'resource_missing',
		param: 'starting_after',
		statusCode: 404,
	});
});

t.test('a refund moves money once, and never more than the charge has left', async (t) => {
	const { stripe, ledger } = await start(t);
	const refund = await stripe.refunds.create({
		charge: 'ch_alice_4',
		amount: 1200,
		reason: 'requested_by_customer',
		metadata: { ticket: '42' },
	});
	t.match(refund, { object: 'refund', amount: 1200, charge: 'ch_alice_4', status: 'succeeded', metadata: { ticket: '42' } });
	t.match(await stripe.charges.retrieve('ch_alice_4'), { amount_refunded: 1200, refunded: false });
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_alice_4', amount: 3001 })), {
		type: 'StripeInvalidRequestError',
		param: 'amount',
		message: 'Refund amount ($30.01) is greater than unrefunded amount on charge ($30.00)',
	});
	t.equal((await stripe.refunds.create({ charge: 'ch_alice_4' })).amount, 3000);
	t.equal((await stripe.charges.retrieve('ch_alice_4')).refunded, true);
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_alice_4' })), { code: 'charge_already_refunded' });
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_dave_2' })), { message: /it failed/ });
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_none' })), { code: 'resource_missing', statusCode: 404, param: 'charge' });
	t.match(await ledger(), { refunds: 2, refundedCents: 4200 });
	t.equal((await stripe.refunds.list({ charge: 'ch_alice_4' })).data.length, 2);
});

t.test('an idempotency key repeats the first answer, and refuses another request', async (t) => {
	const { stripe, url, ledger } = await start(t);
	const idempotencyKey = 'key-1';
	const first = await stripe.refunds.create({ charge: 'ch_alice_1', amount: 500 }, { idempotencyKey });
	const second = await stripe.refunds.create({ charge: 'ch_alice_1', amount: 500 }, { idempotencyKey });
	t.equal(second.id, first.id);
	t.equal(second.lastResponse.headers['idempotent-replayed'], 'true');
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_alice_1', amount: 501 }, { idempotencyKey })), {
		type: 'StripeIdempotencyError',
		statusCode: 400,
	});
	t.match(await refusal(stripe.customers.create({}, { idempotencyKey })), { type: 'StripeIdempotencyError', message: /same endpoint/ });
	t.match(await ledger(), { refunds: 1, refundedCents: 500 });

	const headers = { 'idempotency-key': 'key-2' };
	t.match(await call(url, '/v1/refunds', { method: 'POST', body: 'charge=ch_alice_1&amount=none', headers }), {
		status: 400,
		json: { error: { param: 'amount' } },
	});
	t.match(
		await call(url, '/v1/refunds', { method: 'POST', body: 'charge=ch_alice_1&amount=1', headers }),
		{ status: 200 },
		'a key whose parameters never passed validation is free',
	);
});

t.test('a deleted customer is gone from lists, and its charges stay', async (t) => {
	const { stripe, url, ledger } = await start(t);
	t.match(await stripe.customers.del('cus_carol'), { id: 'cus_carol', deleted: true });
	t.match(await stripe.customers.retrieve('cus_carol'), { deleted: true });
	t.strictSame((await stripe.customers.list({ email: 'carol@example.com' })).data, []);
	t.equal((await stripe.charges.list({ customer: 'cus_carol' })).data.length, 3);
	t.match(await refusal(stripe.customers.del('cus_carol')), { code: 'resource_missing' });
	t.match(await ledger(), { customers: 2, deletedCustomers: 1 });

	t.match((await call(url, '/_reset', { method: 'POST', key: '' })).json, { customers: 3, deletedCustomers: 0, refunds: 0 });
});

t.test('bad requests are refused in the shape of Stripe, and change nothing', async (t) => {
	const { stripe, url, ledger } = await start(t);
	t.match(await call(url, '/v1/charges', { key: '' }), { status: 401, json: { error: { message: /did not provide an API key/ } } });
	t.match(await call(url, '/v1/charges', { key: 'sk_live_abcdefgh' }), {
		status: 401,
		json: { error: { message: 'Invalid API Key provided: sk_live_********efgh' } },
	});
	t.equal((await call(url, '/v1/charges', { key: '', headers: { authorization: `Basic ${btoa('sk_test_x:')}` } })).status, 200);
	t.match(await call(url, '/v1/orders'), { status: 404, json: { error: { message: /Unrecognized request URL \(GET: \/v1\/orders\)/ } } });
	t.match(await call(url, '/v1/charges', { headers: { 'stripe-version': 'yesterday' } }), {
		status: 400,
		json: { error: { message: 'Invalid Stripe API version: yesterday' } },
	});
	t.equal((await call(url, '/v1/charges', { headers: { 'stripe-version': '2024-06-20' } })).headers.get('stripe-version'), '2024-06-20');
	t.match(await call(url, '/v1/charges?custmer=cus_alice'), {
		status: 400,
		json: { error: { code: 'parameter_unknown', param: 'custmer' } },
	});
	t.match(await call(url, '/v1/charges?created=1&created[gt]=2'), { status: 400, json: { error: { type: 'invalid_request_error' } } });
	t.match(await call(url, '/v1/customers', { method: 'POST', body: 'metadata[__proto__]=x&metadata[a]=b' }), {
		status: 200,
		json: { metadata: { a: 'b' } },
	});
	t.match(
		await call(url, '/v1/refunds', { method: 'POST', body: '{"charge":"ch_alice_1"}', headers: { 'content-type': 'application/json' } }),
		{ status: 415, json: { error: { type: 'invalid_request_error' } } },
	);
	t.match(await call(url, '/v1/refunds', { method: 'POST', body: 'amount=5' }), {
		status: 400,
		json: { error: { code: 'parameter_missing', param: 'charge' } },
	});
	for (const amount of ['0', '-5', '1.5', '1e3', '']) {
		t.match(
			await call(url, '/v1/refunds', { method: 'POST', body: `charge=ch_alice_1&amount=${amount}` }),
			{ status: 400, json: { error: { param: 'amount' } } },
			`amount ${amount}`,
		);
	}
	t.match(await refusal(stripe.refunds.create({ charge: 'ch_alice_1', reason: 'whim' as 'duplicate' })), { param: 'reason' });
	t.match(await ledger(), { refunds: 0, refundedCents: 0 });
});
