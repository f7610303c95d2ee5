import t, { type Test } from 'tap';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { buildLocalstripe } from '../localstripe/app.ts';
import { buildMcpApp } from '../localstripe-mcp/app.ts';
import { MemoryChat } from '../localstripe-mcp/chat.ts';
import { paymentServer } from '../localstripe-mcp/payment-tools.ts';
import { connectStripe } from '../localstripe-mcp/stripe.ts';
import { anthropicProvider } from './anthropic.ts';
import { buildEvalTrigger } from './app.ts';
import type { Provider } from './provider.ts';
import { scriptedProvider } from './scripted.ts';

async function listen(t: Test, app: FastifyInstance): Promise<string> {
	t.teardown(() => app.close());
	await app.listen({ host: '127.0.0.1', port: 0 });
	return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function payments(t: Test): Promise<{ mcpUrl: string; ledger: () => Promise<Record<string, number>>; seen: IncomingHttpHeaders[] }> {
	const stripeApp = buildLocalstripe();
	const stripe = connectStripe('sk_test_x', await listen(t, stripeApp));
	const mcp = buildMcpApp(() => paymentServer(stripe, new MemoryChat('oc_demo')), 'sse');
	const seen: IncomingHttpHeaders[] = [];
	mcp.addHook('onRequest', (request, _reply, done) => {
		seen.push(request.headers);
		done();
	});
	return { mcpUrl: `${await listen(t, mcp)}/mcp`, ledger: async () => (await stripeApp.inject('/_ledger')).json(), seen };
}

// oxlint-disable-next-line typescript/no-explicit-any -- JSON of a reply, looked into by each test
function agent(t: Test, mcpUrl: string, provider: Provider = scriptedProvider): (body: unknown) => Promise<{ status: number; json: any }> {
	const app = buildEvalTrigger({ mcpUrl, mcpToken: '', provider });
	t.teardown(() => app.close());
	return async (body) => {
		const response = await app.inject({ method: 'POST', url: '/run', payload: body as object });
		return { status: response.statusCode, json: response.json() };
	};
}

t.test('the scripted agent refunds the last charge, and every request says who, which agent and which turn', async (t) => {
	const { mcpUrl, ledger, seen } = await payments(t);
	const { status, json } = await agent(
		t,
		mcpUrl,
	)({ input: 'Refund the last charge of alice@example.com', turnId: 'turn-1', principal: 'alice@example.com' });
	t.equal(status, 200);
	t.match(json, {
		provider: 'scripted',
		finalText: /^Refunded 42\.00 USD of ch_alice_4/,
		steps: [
			{ tool: 'list_recent_charges', arguments: { customer: 'alice@example.com' }, outcome: 'ok', text: /ch_alice_4/ },
			{ tool: 'create_refund', arguments: { charge: 'ch_alice_4', amount: 4200 }, outcome: 'ok' },
		],
	});
	t.match(await ledger(), { refunds: 1, refundedCents: 4200 });
	for (const headers of seen)
		t.match(headers, { 'x-toolgate-principal': 'alice@example.com', 'x-toolgate-agent-id': 'eval-agent', 'x-mcp-turn-id': 'turn-1' });
});

t.test('the words of a gateway decide what the agent does', async (t) => {
	const outcomes = ['upstream_error', 'upstream_error', 'budgetExceeded'];
	const mcpUrl = `${await listen(
		t,
		buildMcpApp(() => {
			const server = new McpServer({ name: 'gateway', version: '1' });
			server.registerTool('list_recent_charges', { inputSchema: { customer: z.string(), limit: z.int() } }, () => {
				const outcome = outcomes.shift();
				return {
					isError: true,
					content: [{ type: 'text', text: `refused: ${outcome}` }],
					_meta: { 'dev.toolgate/decision': { outcome, decisionId: 'd1' } },
				};
			});
			return server;
		}, 'json'),
	)}/mcp`;
	const { json } = await agent(t, mcpUrl)({ input: 'List the charges of alice@example.com until it works' });
	t.strictSame(
		json.steps.map(({ outcome }: { outcome: string }) => outcome),
		['upstream_error', 'upstream_error', 'budgetExceeded'],
	);
	t.match(json.finalText, /budgetExceeded\): refused: budgetExceeded/);
});

t.test('an MCP server that is away or refuses, is one clear line', async (t) => {
	t.match(await agent(t, 'http://127.0.0.1:1/mcp')({ input: 'List charges' }), {
		status: 502,
		json: { error: /^the MCP server at http:\/\/127\.0\.0\.1:1\/mcp can't be reached: [^\n]+$/, steps: [] },
	});
	const { mcpUrl } = await payments(t);
	t.match(await agent(t, mcpUrl.replace('/mcp', '/none'))({ input: 'List charges' }), {
		status: 502,
		json: { error: /refused: HTTP 404$/ },
	});
});

t.test('a bad request is refused by name', async (t) => {
	const run = agent(t, 'http://127.0.0.1:1/mcp');
	t.match(await run({ turnId: 'x' }), { status: 400, json: { error: /^input is missing/ } });
	t.match(await run({ input: 'x', principal: 'a\r\nb' }), { status: 400, json: { error: /^principal is not/ } });
	t.match(await run({ input: 'x', turnId: 7 }), { status: 400, json: { error: /^turnId is not/ } });
	t.match(await run([]), { status: 400 });
});

t.test('a real model is driven by the official SDK: tools, results and refusals reach it', async (t) => {
	const { mcpUrl, ledger } = await payments(t);
	const replies = [
		[
			{ type: 'text', text: 'I look.' },
			{ type: 'tool_use', id: 'tu_1', name: 'get_charge', input: { charge: 'ch_carol_3' } },
			{ type: 'tool_use', id: 'tu_2', name: 'get_charge', input: { charge: 'ch_none' } },
		],
		[{ type: 'tool_use', id: 'tu_3', name: 'create_refund', input: { charge: 'ch_carol_3', amount: 740 } }],
		[{ type: 'text', text: 'Done.' }],
	];
	// oxlint-disable-next-line typescript/no-explicit-any -- JSON of a reply, looked into by each test
	const asked: any[] = [];
	const api = createServer(async (request, response) => {
		let raw = '';
		for await (const chunk of request) raw += chunk;
		asked.push({ url: request.url, key: request.headers.authorization, ...JSON.parse(raw) });
		const content = replies.shift();
		if (!content)
			return response
				.writeHead(400, { 'content-type': 'application/json' })
				.end('{"type":"error","error":{"type":"invalid_request_error","message":"enough"}}');
		response.setHeader('content-type', 'application/json');
		response.end(
			JSON.stringify({
				id: 'msg_1',
				type: 'message',
				role: 'assistant',
				model: 'test-model',
				content,
				usage: { input_tokens: 1, output_tokens: 1 },
				stop_reason: content.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn',
				stop_sequence: null,
			}),
		);
	}).listen(0, '127.0.0.1');
	await once(api, 'listening');
	t.teardown(() => {
		api.closeAllConnections();
		api.close();
	});
	const provider = anthropicProvider({
		apiKey: 'key',
		model: 'test-model',
		baseURL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
	});

	const { status, json } = await agent(t, mcpUrl, provider)({ input: 'Refund the last charge of carol', principal: 'carol@example.com' });
	t.equal(status, 200);
	t.match(json, {
		provider: 'anthropic (test-model)',
		finalText: 'Done.',
		steps: [{ outcome: 'ok' }, { outcome: 'tool_error' }, { tool: 'create_refund', outcome: 'ok' }],
	});
	t.match(await ledger(), { refunds: 1, refundedCents: 740 });
	t.match(asked[0], {
		url: '/v1/messages',
		key: 'Bearer key',
		model: 'test-model',
		system: /carol@example\.com/,
		messages: [{ role: 'user', content: 'Refund the last charge of carol' }],
	});
	t.equal(asked[0].tools.length, 6);
	t.match(
		asked[0].tools.find(({ name }: { name: string }) => name === 'create_refund'),
		{ input_schema: { required: ['charge', 'amount'] } },
	);
	t.match(asked[1].messages.at(-1), {
		role: 'user',
		content: [
			{ type: 'tool_result', tool_use_id: 'tu_1', is_error: false },
			{ tool_use_id: 'tu_2', is_error: true, content: /^tool_error: Stripe refused/ },
		],
	});

	t.match(await agent(t, mcpUrl, provider)({ input: 'More' }), {
		status: 502,
		json: { error: /^the model test-model can't be asked: 400 .*enough/ },
	});
});
