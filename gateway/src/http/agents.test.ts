import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import t from 'tap';
import type { JsonObject } from '../domain.ts';
import { hashOfToken } from './tokens.ts';
import { refusals } from '../refusals.ts';
import { call, EVENTS, initialize, listen, ok } from './agents-fixture.ts';

t.test('the SDK v1 client initializes, lists, calls, reads a refusal and ends its session', async (t) => {
	const { url, gate } = await listen(t);
	const client = new ClientV1({ name: 'v1', version: '9' });
	const transport = new TransportV1(new URL(url));
	await client.connect(transport as never);
	t.match(client.getServerVersion(), { name: 'fixture', title: 'A fixture' });
	t.equal(client.getInstructions(), 'be kind');
	t.strictSame(client.getServerCapabilities(), { logging: {}, tools: { listChanged: true } }, 'only what is relayed');
	t.match(await client.listTools(), { tools: [{ name: 'echo' }] });
	t.match(await client.callTool({ name: 'echo', arguments: { a: 1 } }), { content: [{ text: 'done' }] });
	t.match(gate.calls[0], { name: 'echo', arguments: { a: 1 }, caller: { principal: { id: 'alice@example.com', groups: ['support'] }, agent: { id: 'local', name: 'v1', version: '9' }, session: { era: 'legacy' } } });
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
	t.match((await send('POST', { headers, body: { jsonrpc: '2.0', id: 'x', method: 'tools/list' } })).json, { id: 'x', result: { tools: [{ name: 'echo' }] } });
	t.match((await send('POST', { headers, body: call(2) })).json, { id: 2, result: { content: [{ text: 'done' }] } });
	t.equal((await send('POST', { body: initialize('1999-01-01') })).json['result']!['protocolVersion' as never], '2025-11-25', 'an unknown version is answered by the newest');
});

t.test('an answer is relayed untouched, a refusal carries its decision, a replay says so', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	const odd = { content: [{ type: 'hologram', '\u0000': [1.5, null] }], structuredContent: { '': {} }, _meta: { 'example.com/x': { y: 1 }, 'dev.toolgate/decision': 1 }, future: true };
	gate.onCall = () => ({ kind: 'answered', word: 'ok', answer: { result: odd } });
	t.strictSame((await send('POST', { headers, body: call(1) })).json['result'], { ...odd, _meta: { 'example.com/x': { y: 1 } } });
	gate.onCall = () => ({ kind: 'answered', word: 'tool_error', answer: { error: { code: -32042, message: 'go there', data: { u: 1 } } } });
	t.strictSame((await send('POST', { headers, body: call(2) })).json, { jsonrpc: '2.0', id: 2, error: { code: -32042, message: 'go there', data: { u: 1 } } });
	gate.onCall = () => ({ kind: 'answered', word: 'replayed', decisionId: 'd1', answer: { result: { content: [] } } });
	t.strictSame((await send('POST', { headers, body: call(3) })).json['result'], { content: [], _meta: { 'dev.toolgate/decision': { outcome: 'replayed', decisionId: 'd1' } } });
	gate.onCall = () => ({ kind: 'refused', word: 'approval_pending', text: 'wait', decisionId: 'd2', rule: 'a.b', retryAfterMs: 5, approvalUrl: 'http://x/' });
	const refused = await send('POST', { headers, body: call(4) });
	t.equal(refused.status, 200);
	t.strictSame(refused.json['result'], {
		content: [{ type: 'text', text: 'wait' }],
		isError: true,
		_meta: { 'dev.toolgate/decision': { outcome: 'approval_pending', decisionId: 'd2', rule: 'a.b', retryAfterMs: 5, approvalUrl: 'http://x/' } },
	});
	gate.onCall = (toolCall) => ok(JSON.stringify(toolCall.message));
	const sent = { ...call(5), extra: [1], params: { name: 'echo', arguments: {}, other: 2, _meta: { progressToken: 7, 'dev.toolgate/decision': 'mine' } } };
	const seen = (await send('POST', { headers, body: sent })).json as { result: { content: [{ text: string }] } };
	t.strictSame(JSON.parse(seen.result.content[0].text), { ...sent, params: { ...sent.params, _meta: { progressToken: 7 } } }, 'what the agent sent, but for our own keys');
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
	await refused('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{}}}}', 400, -32600, /__proto__/);
	await refused(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}}`, 400, -32600, /deep/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', 400, -32600, /too like method/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}', 400, -32600, /too like params/);
	await refused('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","NAME":"other"}}', 400, -32600, /too like name/);
	for (const id of ['null', '{}', '[1]', '1.5', 'true', '9007199254740993', '"\\ud800"']) await refused(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo"}}`, 400, -32600);
	await refused('{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', 400, -32600);
	await refused('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":1e400}}}', 400, -32600, /exactly/);

	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } } })).status, 202);
	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', method: 'notifications/odd' } })).status, 202);
	t.strictSame(dropped, ['tools/call', 'notifications/odd'], 'dropped and counted');
	t.equal((await send('POST', { headers, body: { jsonrpc: '2.0', id: 4, result: {} } })).status, 202);
	t.equal(gate.calls.length, 0, 'nothing was called');

	for (const method of ['resources/read', 'Tools/call', 'tools/call ', '']) {
		t.match(await send('POST', { headers, body: { jsonrpc: '2.0', id: 9, method } }), { status: 200, json: { id: 9, error: { code: -32601 } } }, method);
	}
	for (const params of [{}, { name: 1 }, { name: 'echo', arguments: [] }, { name: 'echo', arguments: null }, { name: 'echo', arguments: 'x' }]) {
		t.match(await send('POST', { headers, body: { jsonrpc: '2.0', id: 9, method: 'tools/call', params } }), { status: 200, json: { error: { code: -32602 } } });
	}
	t.equal(gate.calls.length, 0, 'still nothing');
	await send('POST', { headers, body: call(10, 'Echo\u200b') });
	t.equal(gate.calls[0]?.name, 'Echo\u200b', 'names are never normalised');
});

t.test('a number or text in the arguments that can not be kept exactly is refused as the call it is', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	gate.onCall = ({ unreadable, name }) => (unreadable === undefined ? ok('ran') : refusals.invalidArguments(name, unreadable));
	for (const [value, pointer] of [['9007199254740993', '/a/0'], ['1e400', '/a/0'], ['"\\udc00"', '/a/0']]) {
		const raw = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[${value}]}}}`;
		const answer = await send('POST', { headers: { ...headers, 'content-type': 'application/json' }, raw });
		t.match(answer, { status: 200, json: { id: 1, result: { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'invalid_arguments' } } } } });
		t.match(answer.text, pointer);
		t.strictSame(gate.calls.at(-1)?.arguments, {}, 'nobody gets to act on what was read');
		t.notMatch(JSON.stringify(gate.calls.at(-1)?.message), /ud|90071|null/i);
	}
});

t.test('hosts, origins, types, sizes and repeated headers are looked at before anything is read', async (t) => {
	const { send, rawBytes, port } = await listen(t, { deps: { callbacks: (app) => void app.post('/lark/actions', async () => ({ called: true })) } });
	const body = initialize();
	for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost@evil.example']) t.match(await send('POST', { headers: { host }, body }), { status: 403, json: { error: { code: -32600 } } }, host);
	for (const host of ['localhost', `LOCALHOST:${port}`, 'gateway:18080', '[::1]:1', '127.0.0.1']) t.equal((await send('POST', { headers: { host }, body })).status, 200, host);
	for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'file://localhost']) t.equal((await send('POST', { headers: { origin }, body })).status, 403, origin);
	t.equal((await send('POST', { headers: { origin: 'http://localhost:6274' }, body })).status, 200);
	t.equal((await send('GET', { headers: { host: 'evil.example' } })).status, 403);
	t.strictSame((await send('POST', { path: '/lark/actions', headers: { host: 'tunnel.example' }, body })).json, { called: true });
	t.equal((await send('GET', { path: '/healthz', headers: { host: '10.0.0.7' } })).status, 200);

	for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'application/json; charset=utf-16', 'multipart/form-data; boundary=application/json']) {
		t.match(await send('POST', { headers: { 'content-type': type }, body }), { status: 415, json: { error: { code: -32600 } } }, type);
	}
	t.equal((await send('POST', { headers: { 'content-type': 'Application/JSON; charset=UTF-8' }, body })).status, 200);
	t.equal((await send('POST', { headers: { 'content-encoding': 'gzip' }, body })).status, 415);
	t.equal((await send('POST', { raw: Buffer.alloc(4 * 1024 * 1024 + 1, ' ') })).status, 413);
	t.equal((await send('POST', { headers: { 'transfer-encoding': 'chunked' }, raw: Buffer.alloc(4 * 1024 * 1024 + 1, ' ') })).status, 413);

	for (const name of ['Mcp-Session-Id', 'mcp-protocol-version', 'X-Mcp-Turn-Id', 'X-ToolGate-Principal', 'Authorization', 'Content-Type', 'Mcp-Anything']) {
		const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name.toLowerCase() === 'content-type' ? '' : 'Content-Type: application/json\r\n'}`;
		t.match(await rawBytes(`${head}${name}: application/json\r\n${name.toUpperCase()}: application/json\r\nContent-Length: 2\r\n\r\n{}`), /^HTTP\/1\.1 400 [\s\S]*sent twice/, name);
	}
	t.match(await send('POST', { headers: { 'mcp-method': 'tools/list' }, body }), { status: 400, json: { error: { code: -32600 } } }, 'a header that says otherwise');
	t.equal((await send('PUT', { body })).status, 405);
	t.equal((await send('POST', { path: '/elsewhere', body })).status, 404);
	t.equal((await send('POST', { path: '/mcp/two', body })).status, 404, 'an upstream nobody configured');
});

t.test('a request that could be read as two closes its connection', async (t) => {
	const { rawBytes, gate } = await listen(t);
	const smuggled = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
	for (const head of ['Content-Length: 4\r\nTransfer-Encoding: chunked', 'Content-Length: 2\r\nContent-Length: 3', 'Transfer-Encoding: chunked\r\nX: a\r\n folded: b', 'X: a\nContent-Length: 0', 'Transfer-Encoding : chunked']) {
		const answer = await rawBytes(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${head}\r\n\r\n0\r\n\r\n${smuggled}`);
		t.equal(answer.match(/HTTP\/1\.1/g)?.length ?? 0, 1, JSON.stringify(head));
		t.match(answer, /^HTTP\/1\.1 400[\s\S]*connection: close/i, JSON.stringify(head));
	}
	t.equal(gate.calls.length, 0);
});

t.test('a session belongs to its principal and its path, and ends', async (t) => {
	const { send, begin, gate, advance, mcp } = await listen(t, { mcp: { sessions: { total: 4, perPrincipal: 3, idleMs: 1000, ageMs: 5000 } } });
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

	gate.onInitialize = () => {
		throw new Error('unexpected');
	};
	const failed = await send('POST', { headers: { 'x-toolgate-principal': 'dave@example.com' }, body: initialize() });
	t.match(failed, { status: 200, json: { error: { code: -32603 } } });
	t.equal(failed.headers['mcp-session-id'], undefined);
	t.match(await send('POST', { body: { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} } }), { status: 200, json: { error: { code: -32602 } } });
});

t.test('who calls: headers under mode none, groups from the configuration, nothing that merely looks like an address', async (t) => {
	const { send, begin, gate } = await listen(t, {
		people: { 'alice@example.com': { groups: ['support'] }, 'eval-*@example.com': { groups: ['support', 'eval'] }, '*': { groups: ['all'] } },
	});
	const who = async (given: Record<string, string>) => {
		const headers = await begin(given);
		await send('POST', { headers, body: call(1) });
		const { principal, agent, session } = gate.calls.at(-1)!.caller;
		return { id: principal.id, groups: principal.groups, agent: agent.id, version: agent.version, turn: session.turn };
	};
	t.strictSame(await who({}), { id: 'alice@example.com', groups: ['support', 'all'], agent: 'local', version: '1.2', turn: undefined });
	t.strictSame(await who({ 'x-toolgate-principal': 'eval-7@example.com', 'x-toolgate-agent-id': 'bot', 'x-toolgate-agent-version': '3', 'x-mcp-turn-id': 't-1' }), {
		id: 'eval-7@example.com',
		groups: ['support', 'eval', 'all'],
		agent: 'bot',
		version: '3',
		turn: 't-1',
	});
	t.strictSame((await who({ 'x-toolgate-principal': 'eval-x@evil.org@example.com' })).groups, ['all'], 'the star does not reach over an @');
	t.strictSame((await who({ 'x-toolgate-principal': 'Alice@example.com' })).groups, ['all'], 'case counts');
	for (const [name, value] of [['x-toolgate-principal', ''], ['x-toolgate-principal', 'аlice@example.com'], ['x-toolgate-principal', 'a'.repeat(400)], ['x-toolgate-agent-id', 'a\tb']]) {
		t.equal((await send('POST', { headers: { [name as string]: Buffer.from(value as string).toString('latin1') }, body: initialize() })).status, 400, `${name}: ${value}`);
	}
	const headers = await begin();
	t.equal((await send('POST', { headers: { ...headers, 'x-mcp-turn-id': 'a b' }, body: call(1) })).status, 400);
});

t.test('a token is demanded, found by its hash, and refused within a second of its revocation', async (t) => {
	const token = `tg_${'a'.repeat(43)}`;
	const known = Buffer.from(hashOfToken(token) as Uint8Array);
	let isRevoked = false;
	let lookUps = 0;
	const { send, begin, gate, advance } = await listen(t, {
		auth: {
			mode: 'token',
			findToken: async (hash) => {
				lookUps++;
				return !isRevoked && known.equals(hash) ? { principal: 'bob@example.com', agent: 'billing' } : undefined;
			},
		},
	});
	for (const authorization of [undefined, 'Bearer', 'Bearer tg_short', `Basic ${token}`, `Bearer ${token.toUpperCase()}`, `Bearer tg_${'b'.repeat(43)}`]) {
		const headers = { ...(authorization === undefined ? {} : { authorization }), 'x-toolgate-principal': 'alice@example.com' };
		for (const method of ['POST', 'GET', 'DELETE']) {
			const answer = await send(method, { headers, ...(method === 'POST' ? { body: initialize() } : {}) });
			t.match(answer, { status: 401, json: { error: { code: -32600 } } }, `${method} ${authorization}`);
			t.match(answer.headers['www-authenticate'], /^Bearer/);
		}
	}
	const headers = await begin({ authorization: `Bearer ${token}`, 'x-toolgate-principal': 'alice@example.com', 'x-toolgate-agent-id': 'x' });
	t.equal((await send('POST', { headers, body: call(1) })).status, 200);
	t.match(gate.calls[0]?.caller, { principal: { id: 'bob@example.com' }, agent: { id: 'billing' } }, 'headers are not believed');
	lookUps = 0;
	await send('POST', { headers, body: call(2) });
	t.equal(lookUps, 0, 'remembered');
	isRevoked = true;
	advance(1000);
	t.equal((await send('POST', { headers, body: call(3) })).status, 401);
	t.equal(gate.calls.length, 2);
});

t.test('an answer becomes a stream when a notification of its call comes first, and only where events are accepted', async (t) => {
	const { send, begin, open, gate } = await listen(t);
	const headers = await begin();
	gate.onCall = async ({ downstream }) => {
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'p', progress: 1, _meta: { 'dev.toolgate/x': 1 } } });
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'chatter' } });
		return ok('after');
	};
	t.match(await send('POST', { headers, body: call(1) }), { status: 200, headers: { 'content-type': /json/ }, json: { id: 1 } });
	await send('POST', { headers, body: { jsonrpc: '2.0', id: 2, method: 'logging/setLevel', params: { level: 'warning' } } });
	const stream = await open('POST', { ...headers, ...EVENTS }, call(3));
	t.match(stream.response, { statusCode: 200, headers: { 'content-type': 'text/event-stream' } });
	t.match(await stream.next(), /^id: (\d+-0)\ndata:$/, 'a priming event');
	const progress = await stream.next();
	t.match(progress, /^id: \d+-1\nevent: message\ndata: .*"progressToken":"p"/);
	t.notMatch(progress, 'dev.toolgate');
	t.match(await stream.next(), /^id: \d+-2\n.*\ndata: .*"id":3.*after/, 'the chatter was below the level asked for');
	t.equal(await stream.next(), 'END');
	t.match((await send('POST', { headers: { ...headers, accept: 'text/event-stream' }, body: call(4) })).text, /"id":4/, 'events only: a stream at once');
	const old = { ...headers, ...(await begin({ ...headers })) };
	void old;
});

t.test('an agent of an older revision gets no priming event', async (t) => {
	const { send } = await listen(t);
	const hello = await send('POST', { body: initialize('2025-03-26') });
	const headers = { 'mcp-session-id': String(hello.headers['mcp-session-id']), accept: 'text/event-stream' };
	t.match((await send('POST', { headers, body: call(1) })).text, /^id: 1-1\nevent: message/);
});

t.test('an answer that takes long becomes a stream with keep-alive comments', async (t) => {
	const { begin, open, gate } = await listen(t, { mcp: { keepAliveMs: 5 } });
	const headers = await begin();
	const slow = Promise.withResolvers<void>();
	gate.onCall = async () => {
		await slow.promise;
		return ok('late');
	};
	const stream = await open('POST', { ...headers, ...EVENTS }, call(1));
	t.match(await stream.next(), /-0\ndata:$/);
	t.equal(await stream.next(), ': keep-alive');
	slow.resolve();
	let event = await stream.next();
	while (event === ': keep-alive') event = await stream.next();
	t.match(event, /late/);
	t.equal(await stream.next(), 'END');
});

t.test('a stream that broke off is resumed by Last-Event-ID, by its own session only; disconnecting does not cancel', async (t) => {
	const { begin, open, gate } = await listen(t);
	const headers = await begin();
	const go = Promise.withResolvers<void>();
	const gone = Promise.withResolvers<void>();
	gate.onCall = async ({ downstream }) => {
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
		await go.promise;
		t.equal(downstream.cancelled.aborted, false);
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 2 } });
		gone.resolve();
		return ok('survived');
	};
	const stream = await open('POST', { ...headers, ...EVENTS }, call(1));
	await stream.next();
	const [, first] = /^id: (\S+)/.exec(await stream.next()) as unknown as [string, string];
	stream.close();
	go.resolve();
	await gone.promise;
	const resumed = await open('GET', { ...headers, 'last-event-id': first });
	t.match(await resumed.next(), /"progress":2/);
	t.match(await resumed.next(), /survived/);
	t.equal(await resumed.next(), 'END');
	const foreign = await open('GET', { ...(await begin()), 'last-event-id': first });
	t.match(await foreign.next(), /-0\ndata:$/, 'a stream of its own, with nothing of the other session');
	foreign.close();
});

t.test('the standing stream carries list changes, at most one a second; a second GET takes its place', async (t) => {
	const { begin, open, mcp } = await listen(t);
	const headers = await begin();
	const first = await open('GET', { ...headers, accept: 'text/event-stream' });
	t.match(await first.next(), /^id: 1-0/);
	mcp.toolsChanged();
	mcp.toolsChanged();
	mcp.toolsChanged();
	t.match(await first.next(), /tools\/list_changed/);
	const second = await open('GET', headers);
	t.equal(await first.next(), 'END');
	t.match(await second.next(), /^id: 2-0/);
	const told = await second.next();
	t.match(told, /^id: 2-1[\s\S]*list_changed/, 'the changes within the second came as one');
	second.close();
});

t.test('a cancellation reaches its call at once and gets no response', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	const started = Promise.withResolvers<void>();
	const aborted = Promise.withResolvers<void>();
	gate.onCall = async ({ downstream }) => {
		downstream.cancelled.addEventListener('abort', () => aborted.resolve());
		started.resolve();
		await aborted.promise;
		return ok('too late');
	};
	const pending = send('POST', { headers, body: call('c') });
	await started.promise;
	t.match(await send('POST', { headers, body: call('c') }), { status: 400, json: { error: { message: /still under way/ } } });
	const other = await begin();
	const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c' } };
	t.equal((await send('POST', { headers: other, body: cancel })).status, 202, "another session's cancellation reaches nothing");
	t.equal(gate.calls[0]?.downstream.cancelled.aborted, false);
	t.equal((await send('POST', { headers, body: cancel })).status, 202);
	await aborted.promise;
	t.match(await pending, { status: 202, text: '' });
});

t.test('too many calls of one principal are shed as results, a flood before it is read', async (t) => {
	const { send, begin, gate } = await listen(t, { mcp: { callsPerPrincipal: 2 }, deps: { limits: { bodyBytes: 10_000, callsPerPrincipal: 1 } } });
	const headers = await begin();
	const hold = Promise.withResolvers<void>();
	const started: (() => void)[] = [];
	const allStarted = Promise.all([1, 2].map(() => new Promise<void>((resolve) => started.push(resolve))));
	gate.onCall = async () => {
		started.pop()?.();
		await hold.promise;
		return ok('held');
	};
	const held = [send('POST', { headers, body: call(1) }), send('POST', { headers, body: call(2) })];
	await allStarted;
	t.match((await send('POST', { headers, body: call(3) })).json, { result: { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'overloaded', retryAfterMs: Number } } } });
	t.equal(gate.calls.length, 2);
	gate.onList = () => ({ tools: [] });
	const lists = Promise.withResolvers<JsonObject>();
	gate.onList = () => lists.promise as never;
	const more = [4, 5].map((id) => send('POST', { headers, body: { jsonrpc: '2.0', id, method: 'tools/list' } }));
	while (gate.listed.length < 2) await new Promise((resolve) => setImmediate(resolve));
	const flooded = await send('POST', { headers, raw: 'not even JSON' });
	t.match(flooded, { status: 429, headers: { 'retry-after': '1' } });
	t.equal((await send('POST', { headers: { 'x-toolgate-principal': 'bob@example.com' }, body: initialize() })).status, 200, 'others are not held up');
	lists.resolve({ tools: [] });
	hold.resolve();
	for (const answer of await Promise.all([...held, ...more])) t.equal(answer.status, 200);
	t.equal((await send('POST', { headers, body: call(9) })).status, 200, 'everything was given back');
});

t.test('a reader that never reads is cut off, and memory stays bounded', async (t) => {
	const { begin, gate, port } = await listen(t);
	const headers = await begin();
	const closed = Promise.withResolvers<number>();
	const text = 'x'.repeat(64 * 1024);
	gate.onCall = async ({ downstream }) => {
		let sent = 0;
		for (; sent < 2000 && socket.readyState === 'open'; sent++) {
			downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: text } });
			await new Promise((resolve) => setImmediate(resolve));
		}
		closed.resolve(sent);
		return ok('end');
	};
	const body = JSON.stringify(call(1));
	const socket = connect(port, '127.0.0.1');
	socket.pause();
	socket.on('error', () => {});
	socket.on('close', () => {});
	socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: ${headers['mcp-session-id']}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
	await closed.promise;
	socket.destroy();
	t.pass();
});
