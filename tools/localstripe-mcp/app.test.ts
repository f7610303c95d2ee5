import t, { type Test } from 'tap';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as v2 from '@modelcontextprotocol/client';
import { buildLocalstripe } from '../localstripe/app.ts';
import { buildMcpApp } from './app.ts';
import { MemoryChat } from './chat.ts';
import { paymentServer } from './payment-tools.ts';
import { connectStripe } from './stripe.ts';

type Stack = { mcpUrl: URL; memory: MemoryChat; stripeApp: FastifyInstance; ledger: () => Promise<Record<string, number>> };

async function start(t: Test, answers: 'sse' | 'json' = 'sse'): Promise<Stack> {
	const stripeApp = buildLocalstripe();
	t.teardown(() => stripeApp.close());
	const stripeUrl = await listen(stripeApp);
	const memory = new MemoryChat('oc_demo');
	const app = buildMcpApp(() => paymentServer(connectStripe('sk_test_x', stripeUrl), memory), answers);
	t.teardown(() => app.close());
	return {
		mcpUrl: new URL('/mcp', await listen(app)),
		memory,
		stripeApp,
		ledger: async () => (await stripeApp.inject('/_ledger')).json(),
	};
}

async function listen(app: FastifyInstance): Promise<string> {
	await app.listen({ host: '127.0.0.1', port: 0 });
	return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function connect(t: Test, url: URL): Promise<Client> {
	const client = new Client({ name: 'test', version: '1' });
	await client.connect(new StreamableHTTPClientTransport(url));
	t.teardown(() => client.close());
	return client;
}

function textOf(result: unknown): string {
	return (result as { content: { text: string }[] }).content[0]!.text;
}

t.test('a client lists charges, refunds the last one, and reads it again', async (t) => {
	const { mcpUrl, ledger } = await start(t);
	const client = await connect(t, mcpUrl);
	const { tools } = await client.listTools();
	t.strictSame(tools.map(({ name }) => name).sort(), [
		'create_refund',
		'delete_customer',
		'get_charge',
		'list_payouts',
		'list_recent_charges',
		'send_lark_message',
	]);
	for (const tool of tools) {
		t.equal(tool.outputSchema?.type, 'object', `${tool.name} has an output schema`);
		t.equal(tool.annotations?.readOnlyHint, /^(list|get)_/.test(tool.name), `${tool.name} says whether it only reads`);
		t.equal(tool.inputSchema.$schema, 'http://json-schema.org/draft-07/schema#');
	}
	t.strictSame(tools.find(({ name }) => name === 'create_refund')?.inputSchema.required, ['charge', 'amount']);

	const listed = await client.callTool({ name: 'list_recent_charges', arguments: { customer: 'alice@example.com', limit: 2 } });
	t.match(listed.structuredContent, {
		charges: [
			{ id: 'ch_alice_4', amount: 4200, amountRefunded: 0, customer: 'cus_alice', email: 'alice@example.com' },
			{ id: 'ch_alice_3' },
		],
	});
	t.strictSame(JSON.parse(textOf(listed)), listed.structuredContent);
	const refund = await client.callTool({
		name: 'create_refund',
		arguments: { charge: 'ch_alice_4', amount: 4200, reason: 'requested_by_customer' },
	});
	t.match(refund.structuredContent, { charge: 'ch_alice_4', amount: 4200, status: 'succeeded' });
	t.match((await client.callTool({ name: 'get_charge', arguments: { charge: 'ch_alice_4' } })).structuredContent, {
		charge: { amountRefunded: 4200 },
	});
	t.match(await ledger(), { refunds: 1, refundedCents: 4200 });
});

t.test('equal calls are two refunds', async (t) => {
	const { mcpUrl, ledger } = await start(t);
	const client = await connect(t, mcpUrl);
	for (const _ of [1, 2]) await client.callTool({ name: 'create_refund', arguments: { charge: 'ch_alice_1', amount: 100 } });
	t.match(await ledger(), { refunds: 2, refundedCents: 200 });
});

t.test('deletes a customer, lists payouts, sends a message', async (t) => {
	const { mcpUrl, ledger, memory } = await start(t, 'json');
	const client = await connect(t, mcpUrl);
	t.strictSame((await client.callTool({ name: 'delete_customer', arguments: { customer: 'cus_carol' } })).structuredContent, {
		customer: 'cus_carol',
		deleted: true,
	});
	t.match(await ledger(), { deletedCustomers: 1 });
	t.match((await client.callTool({ name: 'list_payouts', arguments: { limit: 1 } })).structuredContent, {
		payouts: [{ id: 'po_3', amount: 9980, arrives: '2026-01-28' }],
	});
	t.match((await client.callTool({ name: 'send_lark_message', arguments: { text: 'Hello' } })).structuredContent, {
		delivered: true,
		chat: 'oc_demo',
	});
	t.match(memory.sent, [{ text: 'Hello', chat: 'oc_demo' }]);
});

t.test('what Stripe refuses is a result with isError that says why', async (t) => {
	const { mcpUrl, ledger, stripeApp } = await start(t);
	const client = await connect(t, mcpUrl);
	const failing = async (name: string, args: Record<string, unknown>): Promise<string> => {
		const result = await client.callTool({ name, arguments: args });
		t.equal(result.isError, true, name);
		return textOf(result);
	};
	t.match(await failing('create_refund', { charge: 'ch_alice_4', amount: 9999 }), /Stripe refused: Refund amount \(\$99\.99\) is greater/);
	t.match(await failing('create_refund', { charge: 'ch_alice_4' }), /amount/);
	t.match(await failing('get_charge', { charge: 'ch_none' }), /No such charge: 'ch_none'/);
	t.equal(await failing('list_recent_charges', { customer: 'eve@example.com' }), 'No customer has the email address eve@example.com.');
	t.match(await ledger(), { refunds: 0 });
	await stripeApp.close();
	t.match(await failing('list_payouts', {}), /Stripe could not be reached/);
});

for (const answers of ['sse', 'json'] as const) {
	t.test(`several sessions live side by side, with clients of both SDKs (${answers})`, async (t) => {
		const { mcpUrl } = await start(t, answers);
		const one = await connect(t, mcpUrl);
		const two = await connect(t, mcpUrl);
		const three = new v2.Client({ name: 'test', version: '1' });
		await three.connect(new v2.StreamableHTTPClientTransport(mcpUrl));
		t.teardown(() => three.close());
		t.not((one.transport as StreamableHTTPClientTransport).sessionId, (two.transport as StreamableHTTPClientTransport).sessionId);
		const call = { name: 'get_charge', arguments: { charge: 'ch_carol_1' } };
		const results = await Promise.all([one.callTool(call), two.callTool(call), three.callTool(call)]);
		for (const result of results) t.match(result.structuredContent, { charge: { amount: 5900 } });
		await (one.transport as StreamableHTTPClientTransport).terminateSession();
		t.match((await two.callTool(call)).structuredContent, { charge: { amount: 5900 } }, 'ending one session leaves the others');
	});
}

t.test('an unknown session is 404, a missing one 400', async (t) => {
	const { mcpUrl } = await start(t);
	const post = (headers: Record<string, string>): Promise<Response> =>
		fetch(mcpUrl, {
			method: 'POST',
			body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
			headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
		});
	t.equal((await post({ 'mcp-session-id': 'nobody' })).status, 404);
	t.equal((await post({})).status, 400);
	t.equal((await fetch(mcpUrl)).status, 400);
});

t.test('settings that cannot work are refused by name', async (t) => {
	t.throws(() => connectStripe('sk_live_x', 'http://127.0.0.1:1'), { message: /test mode/ });
	t.throws(() => connectStripe('sk_test_x', '127.0.0.1:18420'), { message: /Stripe API base is "127.0.0.1:18420"/ });
	t.throws(() => connectStripe('sk_test_x', 'http://127.0.0.1:18420/v1'), { message: /without a path/ });
});
