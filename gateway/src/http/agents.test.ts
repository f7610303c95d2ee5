import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import t from 'tap';
import { refusals } from '../refusals.ts';
import { call, initialize, listen, ok } from './agents-fixture.ts';

t.test('the SDK v1 client initializes, lists, calls, reads a refusal and ends its session', async (t) => {
	const { url, gate } = await listen(t);
	const client = new ClientV1({ name: 'v1', version: '9' });
	const transport = new TransportV1(new URL(url));
	await client.connect(transport as never);
	t.match(client.getServerVersion(), { name: 'fixture', title: 'A fixture' });
	t.equal(client.getInstructions(), 'be kind');
	t.strictSame(
		client.getServerCapabilities(),
		{ logging: {}, tools: { listChanged: true }, resources: { listChanged: true } },
		'only what is relayed',
	);
	t.match(await client.listTools(), { tools: [{ name: 'echo' }] });
	t.match(await client.callTool({ name: 'echo', arguments: { a: 1 } }), { content: [{ text: 'done' }] });
	t.match(gate.calls[0], {
		name: 'echo',
		arguments: { a: 1 },
		caller: {
			principal: { id: 'alice@example.com', groups: ['support'] },
			agent: { id: 'local', name: 'v1', version: '9' },
			session: { era: 'legacy' },
		},
	});
	gate.onCall = () => refusals.overloaded('a test');
	t.match(await client.callTool({ name: 'echo' }), { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'overloaded' } } });
	gate.onCall = ({ name }) => refusals.unknownTool(name);
	await t.rejects(client.callTool({ name: 'nope' }), { code: -32602, message: /Unknown tool: nope/ });
	await client.ping();
	await client.setLoggingLevel('warning');
	await transport.terminateSession();
	t.equal(gate.ended.length, 1);
	await client.close();
});

t.test('the SDK v2 client works, by default and where it asks for the modern era first', async (t) => {
	const { url, gate } = await listen(t);
	for (const options of [{}, { versionNegotiation: { mode: 'auto' as const } }]) {
		const client = new ClientV2({ name: 'v2', version: '9' }, options);
		await client.connect(new TransportV2(new URL(url)));
		t.match(await client.listTools(), { tools: [{ name: 'echo' }] });
		t.match(await client.callTool({ name: 'echo', arguments: { text: 'ü' } }), { content: [{ text: 'done' }] });
		t.match(gate.calls.at(-1)?.arguments, { text: 'ü' });
		await client.close();
	}
});

t.test('curl with only a content type initializes, lists and calls', async (t) => {
	const { send } = await listen(t);
	const hello = await send('POST', { body: initialize('2025-06-18') });
	t.equal(hello.status, 200);
	t.match(hello.headers['content-type'], /^application\/json/);
	t.match(hello.headers['mcp-session-id'], /^[\x21-\x7e]{32,}$/);
	t.match(hello.json, { id: 0, result: { protocolVersion: '2025-06-18', _meta: { other: 1 } } });
	t.notMatch(hello.text, 'forged', 'our own _meta keys are taken out of what upstreams send');
	const headers = { 'mcp-session-id': String(hello.headers['mcp-session-id']), accept: '*/*' };
	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } })).status, 202);
	t.match((await send('POST', { headers, body: { jsonrpc: '2.0', id: 'x', method: 'tools/list' } })).json, {
		id: 'x',
		result: { tools: [{ name: 'echo' }] },
	});
	t.match((await send('POST', { headers, body: call(2) })).json, { id: 2, result: { content: [{ text: 'done' }] } });
	for (const version of ['2024-11-05', '2025-03-26', '2025-11-25'])
		t.match((await send('POST', { body: initialize(version) })).json, { result: { protocolVersion: version } });
	t.equal(
		(await send('POST', { body: initialize('1999-01-01') })).json['result']!['protocolVersion' as never],
		'2025-11-25',
		'an unknown version is answered by the newest',
	);
});

t.test('an answer is relayed untouched, a refusal carries its decision, a replay says so', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	const odd = {
		content: [{ type: 'hologram', '\u0000': [1.5, null] }],
		structuredContent: { '': {} },
		_meta: { 'example.com/x': { y: 1 }, 'dev.toolgate/decision': 1 },
		future: true,
	};
	gate.onCall = () => ({ kind: 'answered', word: 'ok', answer: { result: odd } });
	t.strictSame((await send('POST', { headers, body: call(1) })).json['result'], { ...odd, _meta: { 'example.com/x': { y: 1 } } });
	gate.onCall = () => ({ kind: 'answered', word: 'tool_error', answer: { error: { code: -32042, message: 'go there', data: { u: 1 } } } });
	t.strictSame((await send('POST', { headers, body: call(2) })).json, {
		jsonrpc: '2.0',
		id: 2,
		error: { code: -32042, message: 'go there', data: { u: 1 } },
	});
	gate.onCall = () => ({ kind: 'answered', word: 'replayed', decisionId: 'd1', answer: { result: { content: [] } } });
	t.strictSame((await send('POST', { headers, body: call(3) })).json['result'], {
		content: [],
		_meta: { 'dev.toolgate/decision': { outcome: 'replayed', decisionId: 'd1' } },
	});
	gate.onCall = () => ({
		kind: 'refused',
		word: 'approval_pending',
		text: 'wait',
		decisionId: 'd2',
		rule: 'a.b',
		retryAfterMs: 5,
		approvalUrl: 'http://x/',
	});
	const refused = await send('POST', { headers, body: call(4) });
	t.equal(refused.status, 200);
	t.strictSame(refused.json['result'], {
		content: [{ type: 'text', text: 'wait' }],
		isError: true,
		_meta: {
			'dev.toolgate/decision': { outcome: 'approval_pending', decisionId: 'd2', rule: 'a.b', retryAfterMs: 5, approvalUrl: 'http://x/' },
		},
	});
	gate.onCall = (toolCall) => ok(JSON.stringify(toolCall.message));
	const sent = {
		...call(5),
		extra: [1],
		params: { name: 'echo', arguments: {}, other: 2, _meta: { progressToken: 7, 'dev.toolgate/decision': 'mine' } },
	};
	const seen = (await send('POST', { headers, body: sent })).json as { result: { content: [{ text: string }] } };
	t.strictSame(
		JSON.parse(seen.result.content[0].text),
		{ ...sent, params: { ...sent.params, _meta: { progressToken: 7 } } },
		'what the agent sent, but for our own keys',
	);
	gate.onCall = () => Promise.reject(new Error('secret cause'));
	const failed = await send('POST', { headers, body: call(6) });
	t.match(failed.json, { id: 6, error: { code: -32603 } });
	t.notMatch(failed.text, 'secret');
});

t.test('what is not one JSON-RPC message is refused before anything happens', async (t) => {
	const { send, begin, gate, dropped } = await listen(t);
	const headers = await begin();
	const refused = async (raw: string | Buffer, status: number, code: number, says = /./) => {
		const answer = await send('POST', { headers: { ...headers, 'content-type': 'application/json' }, raw });
		t.match(answer, { status, json: { jsonrpc: '2.0', id: null, error: { code, message: says } } }, raw.toString().slice(0, 60));
	};
	await refused('{"jsonrpc"', 400, -32700);
	await refused('', 400, -32700);
	await refused(Buffer.from([0x22, 0xff, 0x22]), 400, -32700, /UTF-8/);
	await refused(`[${JSON.stringify(call(1))}]`, 400, -32600, /batch/);
	await refused('[]', 400, -32600);
	await refused('null', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', 400, -32600, /twice \(at \/method\)/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"tools/call"}', 400, -32600, /twice/);
	await refused(
		'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{}}}}',
		400,
		-32600,
		/__proto__/,
	);
	await refused(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}}`,
		400,
		-32600,
		/deep/,
	);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', 400, -32600, /too like method/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}', 400, -32600, /too like params/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","NAME":"other"}}', 400, -32600, /too like name/);
	for (const id of ['null', '{}', '[1]', '1.5', 'true', '9007199254740993', '"\\ud800"'])
		await refused(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo"}}`, 400, -32600);
	await refused('{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":1e400}}}', 400, -32600, /exactly/);
	await refused(
		'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":{"x":1e400}}}',
		400,
		-32600,
		/exactly/,
	);

	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } } })).status, 202);
	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', method: 'notifications/odd' } })).status, 202);
	t.strictSame(dropped, ['tools/call', 'notifications/odd'], 'dropped and counted');
	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', id: 4, result: {} } })).status, 202);
	t.equal(gate.calls.length, 0, 'nothing was called');

	for (const method of ['tasks/list', 'Tools/call', 'tools/call ', '']) {
		t.match(
			await send('POST', { headers, body: { jsonrpc: '2.0', id: 9, method } }),
			{ status: 200, json: { id: 9, error: { code: -32601 } } },
			method,
		);
	}
	for (const params of [
		{},
		{ name: 1 },
		{ name: 'echo', arguments: [] },
		{ name: 'echo', arguments: null },
		{ name: 'echo', arguments: 'x' },
	]) {
		t.match(await send('POST', { headers, body: { jsonrpc: '2.0', id: 9, method: 'tools/call', params } }), {
			status: 200,
			json: { error: { code: -32602 } },
		});
	}
	t.equal(gate.calls.length, 0, 'still nothing');
	await send('POST', { headers, body: call(10, 'Echo\u200b') });
	t.equal(gate.calls[0]?.name, 'Echo\u200b', 'names are never normalised');
});

t.test('a number or text in the arguments that can not be kept exactly is refused as the call it is', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	gate.onCall = ({ unreadable, name }) => (unreadable === undefined ? ok('ran') : refusals.invalidArguments(name, unreadable));
	for (const [value, pointer] of [
		['9007199254740993', '/a/0'],
		['1e400', '/a/0'],
		['"\\udc00"', '/a/0'],
	]) {
		const raw = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[${value}]}}}`;
		const answer = await send('POST', { headers: { ...headers, 'content-type': 'application/json' }, raw });
		t.match(answer, {
			status: 200,
			json: { id: 1, result: { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'invalid_arguments' } } } },
		});
		t.match(answer.text, pointer);
		t.strictSame(gate.calls.at(-1)?.arguments, {}, 'nobody gets to act on what was read');
		t.notMatch(JSON.stringify(gate.calls.at(-1)?.message), /ud|90071|null/i);
	}
});

t.test('a session belongs to its principal and its path, and ends', async (t) => {
	const { send, begin, gate, advance, mcp } = await listen(t, {
		mcp: { sessions: { total: 4, perPrincipal: 3, idleMs: 1000, ageMs: 5000 } },
	});
	const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
	const status = async (headers: Record<string, string>, path = '/mcp') => (await send('POST', { headers, path, body: ping })).status;
	const alice = await begin();
	t.equal(await status(alice), 200);
	t.match(await send('POST', { body: ping }), { status: 400, json: { error: { message: /Mcp-Session-Id/ } } });
	t.equal(await status({ 'mcp-session-id': 'x'.repeat(32) }), 404);
	t.equal(await status({ ...alice, 'x-toolgate-principal': 'bob@example.com' }), 404, "another principal's");
	t.equal((await send('DELETE', { headers: { ...alice, 'x-toolgate-principal': 'bob@example.com' } })).status, 404);
	t.equal((await send('GET', { headers: { ...alice, 'x-toolgate-principal': 'bob@example.com' } })).status, 404);
	t.equal(await status(alice, '/mcp/one'), 404, "another path's");
	const narrow = await begin({}, '/mcp/one');
	t.equal(await status(narrow, '/mcp/one'), 200);

	t.equal(await status({ ...alice, 'mcp-protocol-version': '2025-03-26' }), 200);
	t.equal(await status({ ...alice, 'mcp-protocol-version': '2026-07-28' }), 400);
	t.equal(await status({ ...alice, 'mcp-protocol-version': 'banana' }), 400);

	t.equal((await send('DELETE', { headers: narrow })).status, 404);
	t.equal((await send('DELETE', { headers: narrow, path: '/mcp/one' })).status, 204);
	t.equal(await status(narrow, '/mcp/one'), 404);
	t.strictSame(gate.ended, [narrow['mcp-session-id']]);

	const second = await begin();
	const third = await begin();
	t.equal(await status(alice), 200);
	const fourth = await begin();
	t.equal(await status(second), 404, 'the longest idle one made room');
	t.equal(await status(alice), 200);
	t.equal(await status(third), 200);
	const bob = await begin({ 'x-toolgate-principal': 'bob@example.com' });
	const carol = await begin({ 'x-toolgate-principal': 'carol@example.com' });
	t.equal(mcp.sessionCount, 4);
	t.equal(await status(fourth), 404, 'also over all principals');
	t.equal(await status(bob), 200);

	advance(900);
	t.equal(await status(carol), 200);
	advance(900);
	t.equal(await status(carol), 200);
	t.equal(await status(bob), 404, 'idle for too long');
	for (let i = 0; i < 5; i++) {
		advance(700);
		await status(carol);
	}
	t.equal(await status(carol), 404, 'too old');

	gate.onDescribe = () => {
		throw new Error('unexpected');
	};
	const failed = await send('POST', { headers: { 'x-toolgate-principal': 'dave@example.com' }, body: initialize() });
	t.match(failed, { status: 200, json: { error: { code: -32603 } } });
	t.equal(failed.headers['mcp-session-id'], undefined);
	t.match(await send('POST', { body: { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} } }), {
		status: 200,
		json: { error: { code: -32602 } },
	});
});
