import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import t, { type Test } from 'tap';
import { openAgent, post } from './agent.ts';
import { build } from './build.ts';
import { everyRow } from './every-row.ts';
import { payments } from './payments.ts';
import { eachStore } from './stores.ts';

/** What agents see of a gateway, on the default policy. */

const VISIBLE = ['create_refund', 'delete_customer', 'get_charge', 'list_recent_charges', 'send_lark_message'];

async function sdkClient(t: Test, kind: 'v1' | 'v2' | 'v2, asking for the era', url: string) {
	const info = { name: 'sdk', version: '1' };
	if (kind === 'v1') {
		const client = new ClientV1(info);
		await client.connect(new TransportV1(new URL(url)) as Transport);
		t.teardown(() => client.close());
		return client;
	}
	const client = new ClientV2(info, kind === 'v2' ? {} : { versionNegotiation: { mode: 'auto' } });
	await client.connect(new TransportV2(new URL(url)));
	t.teardown(() => client.close());
	return client;
}

for (const answers of ['sse', 'json'] as const) {
	t.test(
		`[mcp.clients] real clients and plain HTTP list and call through the gateway, over an upstream that answers ${answers}`,
		async (t) => {
			const gateway = await build(t, { payments: await payments(t, answers) });
			for (const kind of ['v1', 'v2', 'v2, asking for the era'] as const) {
				const client = await sdkClient(t, kind, gateway.mcpUrl);
				const { tools } = await client.listTools();
				t.same(tools.map(({ name }) => name).sort(), VISIBLE, kind);
				const result = await client.callTool({ name: 'get_charge', arguments: { charge: 'ch_alice_1' } });
				t.match(result, { structuredContent: { charge: { id: 'ch_alice_1', amount: 12_000 } } }, kind);
			}
			const plain = await openAgent(gateway.mcpUrl);
			t.same((await plain.list()).sort(), VISIBLE);
			t.match((await plain.call('get_charge', { charge: 'ch_alice_1' })).message, {
				result: { structuredContent: { charge: { id: 'ch_alice_1' } } },
			});
		},
	);
}

t.test(
	'[mcp.revisions] each revision from 2024-11-05 to 2025-11-25 is spoken, and an unknown one is answered with one that is',
	async (t) => {
		const { mcpUrl } = await build(t);
		for (const [asked, answered] of [
			['2024-11-05', '2024-11-05'],
			['2025-03-26', '2025-03-26'],
			['2025-06-18', '2025-06-18'],
			['2025-11-25', '2025-11-25'],
			['2099-01-01', '2025-11-25'],
		]) {
			const opened = await post(mcpUrl, {
				jsonrpc: '2.0',
				id: 1,
				method: 'initialize',
				params: { protocolVersion: asked, capabilities: {}, clientInfo: { name: 'x', version: '1' } },
			});
			t.match(JSON.parse(opened.text), { result: { protocolVersion: answered, serverInfo: { name: 'localstripe-mcp' } } });
			const session = { 'mcp-session-id': opened.sessionId!, 'mcp-protocol-version': answered! };
			t.equal((await post(mcpUrl, { jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status, 202);
			t.equal((await post(mcpUrl, { jsonrpc: '2.0', id: 2, method: 'ping' }, session)).text, '{"jsonrpc":"2.0","id":2,"result":{}}');
		}
	},
);

t.test('refusals', async (t) => {
	const gateway = await build(t);
	const { mcpUrl, payments } = gateway;

	await t.test('[policy.deny] a denied tool is listed, the call says why, and the upstream never hears of it', async (t) => {
		const agent = await openAgent(mcpUrl);
		const end = await agent.call('delete_customer', { customer: 'cus_alice' });
		t.equal(end.word, 'deny', end.text);
		t.match(end.text, /customers are not deleted by agents/);
		t.match(end.message, {
			result: { isError: true, _meta: { 'dev.toolgate/decision': { rule: 'payments.delete', decisionId: /^[0-9a-f-]{36}$/ } } },
		});
		t.same(payments.received('delete_customer'), []);
		t.equal((await payments.ledger()).deletedCustomers, 0);
		t.same(await gateway.traces('&tool=delete_customer'), ['delete_customer → deny']);
	});

	await t.test('[policy.hidden] a hidden tool is not listed and answers exactly as one that does not exist', async (t) => {
		const agent = await openAgent(mcpUrl);
		t.notOk((await agent.list()).includes('list_payouts'));
		for (const name of ['list_payouts', 'no_such_tool']) {
			t.match((await agent.call(name)).message, { error: { code: -32602, message: `Unknown tool: ${name}` }, result: undefined });
		}
		t.same(payments.received('list_payouts'), []);
		t.same(await gateway.traces('&tool=list_payouts'), ['list_payouts → unknown_tool'], 'the trail has it all the same');
	});

	await t.test('[policy.arguments] arguments that do not fit the schema of the tool are refused before policy, naming where', async (t) => {
		const agent = await openAgent(mcpUrl);
		const end = await agent.call('create_refund', { charge: 'ch_alice_1', amount: 'all of it 123-45-6789' });
		t.equal(end.word, 'invalid_arguments', end.text);
		t.match(end.text, /\/amount/);
		t.same(payments.received('create_refund'), []);
		const [event] = await gateway.events('&outcome=invalid_arguments');
		t.strictSame(Object.keys(event!.input!).sort(), ['argumentsBytes', 'argumentsDigest'], 'nobody has said what may be recorded of them');
	});

	await t.test('[policy.budget] five calls per turn and no more, whatever the tool, until the next turn', async (t) => {
		const agent = await openAgent(mcpUrl, { 'x-toolgate-principal': 'eval-budget@example.com', 'x-mcp-turn-id': 'turn-1' });
		const words = [];
		for (let n = 0; n < 6; n++)
			words.push((await agent.call(n % 2 === 0 ? 'list_recent_charges' : 'get_charge', n % 2 === 0 ? {} : { charge: 'ch_alice_1' })).word);
		t.same(words, ['ok', 'ok', 'ok', 'ok', 'ok', 'budgetExceeded']);
		const again = await agent.call('list_recent_charges', {});
		t.match(again.text, /limits\.turn.*five calls per turn.*5 of 5 calls used/);
		t.match(again.message, { result: { _meta: { 'dev.toolgate/decision': { rule: 'limits.turn', retryAfterMs: Number } } } });
		t.equal((await agent.call('list_recent_charges', {}, { 'x-mcp-turn-id': 'turn-2' })).word, 'ok');
		t.same(await gateway.traces('&principal=eval-budget@example.com'), [
			...['list_recent_charges', 'get_charge', 'list_recent_charges', 'get_charge', 'list_recent_charges'].map((tool) => `${tool} → allow`),
			'get_charge → budgetExceeded',
			'list_recent_charges → budgetExceeded',
			'list_recent_charges → allow',
		]);
	});

	await t.test('[policy.budget] at once, too, only five calls of a turn reach the upstream', async (t) => {
		const before = payments.received('get_charge').length;
		const agent = await openAgent(mcpUrl, { 'x-toolgate-principal': 'eval-at-once@example.com', 'x-mcp-turn-id': 'turn-1' });
		const ends = await Promise.all(Array.from({ length: 20 }, () => agent.call('get_charge', { charge: 'ch_alice_1' })));
		t.equal(ends.filter(({ word }) => word === 'ok').length, 5);
		t.equal(ends.filter(({ word }) => word === 'budgetExceeded').length, 15);
		t.equal(payments.received('get_charge').length - before, 5);
	});

	t.same(gateway.faults, [], 'none of this is unexpected');
});

t.test('[mcp.bad-input] what is no message, or not for this session, is answered as the protocol says', async (t) => {
	const { mcpUrl, payments } = await build(t);
	const agent = await openAgent(mcpUrl);
	const session = { 'mcp-session-id': agent.sessionId };
	const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_charge', arguments: { charge: 'ch_alice_1' } } };
	for (const [what, body, headers, status, code] of [
		['not JSON', '{"jsonrpc"', session, 400, -32700],
		['an array', [call], session, 400, -32600],
		['a duplicate key', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', session, 400, -32600],
		['a __proto__', '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{}}}', session, 400, -32600],
		['no session', call, {}, 400, -32600],
		['an unknown session', call, { 'mcp-session-id': 'nobody' }, 404, -32001],
		["another principal's session", call, { ...session, 'x-toolgate-principal': 'mallory@example.com' }, 404, -32001],
		['an unknown method', { jsonrpc: '2.0', id: 1, method: 'tools/destroy' }, session, 200, -32601],
		['a foreign host', call, { ...session, origin: 'https://evil.example' }, 403, -32600],
		['no JSON by its type', call, { ...session, 'content-type': 'text/plain' }, 415, -32600],
	] as const) {
		const answer = await post(mcpUrl, body, headers);
		t.equal(answer.status, status, what);
		t.match(JSON.parse(answer.text), { jsonrpc: '2.0', error: { code, message: String } }, what);
		t.notMatch(answer.text, /at .*\.ts|node_modules/, 'no stack trace');
	}
	t.equal((await post(mcpUrl, { ...call, id: undefined }, session)).status, 202, 'a call as a notification is dropped');
	t.same(payments.received('get_charge'), []);
	t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok', 'and the session lives on');
});

t.test('[policy.personal-numbers] a personal number reaches neither the upstream nor any row of the database', async (t) =>
	eachStore(t, async (t, database) => {
		const gateway = await build(t, { database, lark: 'ignore' });
		const agent = await openAgent(gateway.mcpUrl);
		const end = await agent.call('send_lark_message', { text: 'alice has 123-45-6789, bob 321 54 9876' });
		t.equal(end.word, 'ok', end.text);
		// Where nothing was decided about the call, nobody masked anything: its arguments must not be kept at all.
		await agent.call('send_lark_message', { text: '123-45-6789', unknown: '123-45-6789' });
		await agent.call('list_payouts', { text: '123-45-6789' });
		await agent.call('delete_customer', { customer: '123-45-6789' });
		t.match(gateway.payments.messages[0]?.text, /^alice has [^0-9]+, bob [^0-9]+$/);
		const everywhere = [
			JSON.stringify(gateway.payments.messages),
			gateway.payments.requests.map(({ body }) => body).join(),
			gateway.news.join(),
			gateway.faults.map(String).join(),
			await everyRow(gateway.sql),
		];
		for (const [n, text] of everywhere.entries()) t.notMatch(text, /123-45-6789|321 54 9876/, `place ${n}`);
		const [event] = await gateway.events('&tool=send_lark_message&outcome=ok');
		t.ok(event, 'and the call is in the trail');
	}),
);
