import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import t from 'tap';
import type { JsonObject, Outcome } from '../domain.ts';
import { refusals } from '../refusals.ts';
import { EVENTS, listen, type Listener, ok, type OpenStream } from './agents-fixture.ts';

const REVISION = '2026-07-28';
const META = 'io.modelcontextprotocol/';

const envelope = (more: JsonObject = {}): JsonObject => ({
	[`${META}protocolVersion`]: REVISION,
	[`${META}clientCapabilities`]: {},
	[`${META}clientInfo`]: { name: 'raw', version: '3' },
	...more,
});

function modern(
	method: string,
	params: JsonObject = {},
	meta: JsonObject = envelope(),
): { headers: Record<string, string>; body: JsonObject } {
	const named = params['name'] ?? params['uri'];
	return {
		headers: { 'mcp-protocol-version': REVISION, 'mcp-method': method, ...(typeof named === 'string' ? { 'mcp-name': named } : {}) },
		body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } },
	};
}

const ask = async ({ send }: Listener, method: string, params?: JsonObject, meta?: JsonObject) =>
	send('POST', modern(method, params, meta));

async function nextMessage(stream: OpenStream): Promise<JsonObject> {
	for (;;) {
		const event = await stream.next();
		const [, data] = /^data: (.+)$/m.exec(event) ?? [];
		if (data !== undefined) return JSON.parse(data) as JsonObject;
		if (event === 'END') return { end: true };
	}
}

t.test('the SDK v2 client speaks the modern era where it may choose, and where it insists', async (t) => {
	const { url, gate, mcp } = await listen(t);
	for (const mode of ['auto', { pin: REVISION }] as const) {
		const client = new Client({ name: 'v2', version: '9' }, { versionNegotiation: { mode } });
		await client.connect(new StreamableHTTPClientTransport(new URL(url)));
		t.match(client.getServerVersion(), { name: 'fixture' });
		t.equal(client.getInstructions(), 'be kind');
		t.match(await client.listTools(), { tools: [{ name: 'echo' }] });
		t.match(await client.callTool({ name: 'echo', arguments: { text: 'ü' } }), { content: [{ text: 'done' }] });
		t.match(gate.calls.at(-1), {
			arguments: { text: 'ü' },
			caller: { agent: { id: 'local', name: 'v2', version: '9' }, session: { era: 'modern' } },
		});
		t.equal(gate.calls.at(-1)?.caller.session.id, undefined);
		gate.onCall = () => refusals.overloaded('a test');
		t.match(await client.callTool({ name: 'echo' }), { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'overloaded' } } });
		gate.onCall = ({ name }) => refusals.unknownTool(name);
		await t.rejects(client.callTool({ name: 'nope' }), { code: -32602, message: /Unknown tool: nope/ });
		gate.onCall = () => ok('done');
		await client.close();
	}
	t.equal(mcp.sessionCount, 0);
});

t.test('every request says who asks, and its headers agree with its body', async (t) => {
	const listener = await listen(t);
	const { send, gate } = listener;
	t.match(await ask(listener, 'tools/call', { name: 'echo' }), { status: 200, json: { id: 1, result: { resultType: 'complete' } } });
	const call = modern('tools/call', { name: 'echo' });
	const error = (code: number, data?: JsonObject) => ({
		status: 400,
		json: { id: 1, error: { code, ...(data === undefined ? {} : { data }) } },
	});
	for (const key of ['protocolVersion', 'clientCapabilities']) {
		const { [`${META}${key}`]: _, ...meta } = envelope();
		t.match(
			await send('POST', { ...call, body: modern('tools/call', { name: 'echo' }, meta).body }),
			error(-32602, { key: `${META}${key}` }),
			`without ${key}`,
		);
	}
	t.match(
		await send('POST', { ...call, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } }),
		error(-32602),
		'a header alone makes no modern request',
	);
	t.match(await send('POST', modern('tools/list', {}, envelope({ [`${META}clientCapabilities`]: [] }))), error(-32602));
	t.match(await send('POST', modern('tools/list', {}, envelope({ [`${META}clientInfo`]: 'x' }))), error(-32602));
	const future = modern('tools/list', {}, envelope({ [`${META}protocolVersion`]: '2099-01-01' }));
	t.match(
		await send('POST', { ...future, headers: { ...future.headers, 'mcp-protocol-version': '2099-01-01' } }),
		error(-32022, { supported: [REVISION], requested: '2099-01-01' }),
	);
	for (const [name, headers] of Object.entries<Record<string, string>>({
		'no version': { 'mcp-method': 'tools/call', 'mcp-name': 'echo' },
		'another version': { ...call.headers, 'mcp-protocol-version': '2025-11-25' },
		'no method': { 'mcp-protocol-version': REVISION, 'mcp-name': 'echo' },
		'another method': { ...call.headers, 'mcp-method': 'tools/list' },
		'no name': { 'mcp-protocol-version': REVISION, 'mcp-method': 'tools/call' },
		'another name': { ...call.headers, 'mcp-name': 'create_refund' },
		'a name in another case': { ...call.headers, 'mcp-name': 'Echo' },
		'a name in broken base64': { ...call.headers, 'mcp-name': '=?base64?ZWNobx==?=' },
	})) {
		t.match(await send('POST', { ...call, headers }), error(-32020), name);
	}
	t.match(
		await send('POST', { ...call, headers: { ...call.headers, 'mcp-name': `=?base64?${Buffer.from('echo').toString('base64')}?=` } }),
		{ status: 200 },
	);
	t.match(
		await send('POST', {
			headers: { 'mcp-protocol-version': REVISION },
			body: { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25' } },
		}),
		{ status: 400, json: { error: { code: -32020 } } },
	);
	t.equal(gate.calls.length, 2, 'nothing else was called');

	gate.onHeaders = () => ['mcp-param-Region', 'eu', 'mcp-param-Count', '42'];
	t.match(await send('POST', call), error(-32020), 'headers that repeat arguments are missing');
	t.match(await send('POST', { ...call, headers: { ...call.headers, 'mcp-param-region': 'us', 'mcp-param-count': '42' } }), error(-32020));
	t.match(await send('POST', { ...call, headers: { ...call.headers, 'mcp-param-region': '=?base64?ZXU=?=', 'mcp-param-count': '42.0' } }), {
		status: 200,
	});
});

t.test('what this era does not have is 404 or 405', async (t) => {
	const listener = await listen(t);
	for (const method of [
		'initialize',
		'ping',
		'logging/setLevel',
		'resources/subscribe',
		'resources/unsubscribe',
		'tasks/list',
		'constructor',
		'Tools/call',
	]) {
		t.match(await ask(listener, method, { uri: 'x', level: 'info' }), { status: 404, json: { id: 1, error: { code: -32601 } } }, method);
	}
	for (const method of ['GET', 'DELETE'])
		t.equal((await listener.send(method, { headers: { 'mcp-protocol-version': REVISION } })).status, 405, method);
	const note = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
	t.equal((await listener.send('POST', { headers: { 'mcp-protocol-version': REVISION }, body: note })).status, 202);
	t.strictSame(listener.dropped, ['notifications/cancelled']);
});

t.test('lists and what is discovered are for this caller only, and not for long', async (t) => {
	const listener = await listen(t);
	t.match((await ask(listener, 'server/discover')).json['result'], {
		resultType: 'complete',
		supportedVersions: [REVISION],
		capabilities: { tools: { listChanged: true }, logging: {}, resources: {} },
		instructions: 'be kind',
		ttlMs: 30_000,
		cacheScope: 'private',
		_meta: { other: 1, [`${META}serverInfo`]: { name: 'fixture' } },
	});
	listener.gate.onList = () => ({ tools: [], ttlMs: 9e9, cacheScope: 'public' });
	for (const method of ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list']) {
		t.match((await ask(listener, method)).json['result'], { resultType: 'complete', ttlMs: 30_000, cacheScope: 'private' }, method);
	}
	for (const [ttlMs, kept] of [
		[undefined, 0],
		[-1, 0],
		[5, 5],
		[9e9, 30_000],
	] as const) {
		listener.gate.onCall = () => ({
			kind: 'answered',
			word: 'ok',
			answer: { result: { contents: [], ...(ttlMs === undefined ? {} : { ttlMs, cacheScope: 'public' }) } },
		});
		t.match((await ask(listener, 'resources/read', { uri: 'a:b' })).json['result'], { ttlMs: kept, cacheScope: 'private' });
	}
});

t.test("an upstream's words of another era are put into this one's", async (t) => {
	const listener = await listen(t);
	const answer = async (error: JsonObject, method = 'tools/call', params: JsonObject = { name: 'echo' }) => {
		listener.gate.onCall = () => ({ kind: 'answered', word: 'tool_error', answer: { error } });
		return (await ask(listener, method, params)).json;
	};
	t.match((await answer({ code: -32002, message: 'gone', data: { uri: 'a:b' } }, 'resources/read', { uri: 'a:b' }))['error'], {
		code: -32602,
		message: 'gone',
		data: { uri: 'a:b' },
	});
	t.match((await answer({ code: -32042, message: 'sign in', data: {} }))['result'], {
		isError: true,
		resultType: 'complete',
		content: [{ text: /sign in/ }],
	});
	t.match((await answer({ code: -32042, message: 'sign in' }, 'prompts/get', { name: 'p' }))['error'], { code: -32603 });
	t.match((await answer({ code: -32021, message: 'needs elicitation' }))['error'], { code: -32603, message: /needs elicitation/ });
	t.match((await answer({ code: -7, message: 'own' }))['error'], { code: -7, message: 'own' });
	listener.gate.onCall = ({ name }) => refusals.unknownResource(name);
	t.match((await ask(listener, 'resources/read', { uri: 'a:b' })).json['error'], { code: -32602, message: 'Resource not found: a:b' });
});

t.test('an answer becomes a stream after a notification; log messages only where the request asks for them', async (t) => {
	const { open, gate } = await listen(t);
	gate.onCall = async ({ downstream }) => {
		t.equal(downstream.request, undefined);
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'warning', data: 'log' } });
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'debug', data: 'chatter' } });
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
		return ok('after');
	};
	for (const [level, expected] of [
		[undefined, ['notifications/progress']],
		['info', ['notifications/message', 'notifications/progress']],
	] as const) {
		const { headers, body } = modern('tools/call', { name: 'echo' }, envelope(level === undefined ? {} : { [`${META}logLevel`]: level }));
		const stream = await open('POST', { ...headers, ...EVENTS }, body);
		t.match(stream.response, { statusCode: 200, headers: { 'content-type': 'text/event-stream' } });
		for (const method of expected) t.match(await nextMessage(stream), { method });
		t.match(await nextMessage(stream), { id: 1, result: { content: [{ text: 'after' }] } });
		t.equal(await stream.next(), 'END');
	}
});

t.test('closing the response cancels, as a stream and as JSON', async (t) => {
	const { open, gate, send } = await listen(t);
	for (const isStreamed of [true, false]) {
		const aborted = Promise.withResolvers<void>();
		const started = Promise.withResolvers<void>();
		gate.onCall = async ({ downstream }) => {
			if (isStreamed) downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: {} });
			downstream.cancelled.addEventListener('abort', () => aborted.resolve());
			started.resolve();
			await aborted.promise;
			return ok('unheard');
		};
		const { headers, body } = modern('tools/call', { name: 'echo' });
		if (isStreamed) (await open('POST', { ...headers, ...EVENTS }, body)).close();
		else {
			const leaving = new AbortController();
			const sent = send('POST', { headers, body, signal: leaving.signal });
			await started.promise;
			leaving.abort();
			await t.rejects(sent);
		}
		await aborted.promise;
	}
	let cancelled: AbortSignal | undefined;
	gate.onCall = ({ downstream }) => {
		cancelled = downstream.cancelled;
		return ok('heard');
	};
	t.equal((await send('POST', modern('tools/call', { name: 'echo' }))).status, 200);
	t.equal(cancelled?.aborted, false, 'an answer that was read cancels nothing');
});

const asks = (requestState?: string): Outcome => ({
	kind: 'answered',
	word: 'ok',
	answer: {
		result: {
			resultType: 'input_required',
			inputRequests: { q: { method: 'elicitation/create', params: { message: '?' } } },
			...(requestState === undefined ? {} : { requestState }),
		},
	},
});

t.test(
	'a request of several rounds: the state of the upstream travels sealed, for this request of this principal only, and not for long',
	async (t) => {
		const listener = await listen(t);
		const { gate, advance, send } = listener;
		gate.onCall = () => asks('theirs: ü');
		const args = { name: 'echo', arguments: { a: 1, b: 2 } };
		const first = (await ask(listener, 'tools/call', args)).json['result'] as JsonObject;
		t.match(first, { resultType: 'input_required', inputRequests: { q: { method: 'elicitation/create' } } });
		const requestState = String(first['requestState']);
		t.notMatch(requestState, 'theirs');
		const inputResponses = { q: { action: 'accept' } };
		gate.onCall = () => ok('done');
		t.match((await ask(listener, 'tools/call', { ...args, arguments: { b: 2, a: 1 }, requestState, inputResponses })).json['result'], {
			resultType: 'complete',
		});
		t.match(
			gate.calls.at(-1)?.message['params'],
			{ requestState: 'theirs: ü', inputResponses, arguments: { a: 1, b: 2 } },
			'the upstream gets its own back',
		);

		const count = gate.calls.length;
		const refused = { status: 200, json: { error: { code: -32602, message: /requestState/ } } };
		t.match(
			await ask(listener, 'tools/call', { ...args, arguments: { a: 2, b: 2 }, requestState, inputResponses }),
			refused,
			'other arguments',
		);
		t.match(await ask(listener, 'tools/call', { ...args, name: 'other', requestState }), refused, 'another tool');
		t.match(await ask(listener, 'prompts/get', { ...args, requestState }), refused, 'another method');
		for (const bad of [
			7,
			'',
			'theirs: ü',
			`${requestState}A`,
			requestState.slice(0, -4),
			`${requestState}=`,
			requestState.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
		]) {
			t.match(await ask(listener, 'tools/call', { ...args, requestState: bad }), refused, `tampered: ${String(bad).slice(-10)}`);
		}
		const foreign = modern('tools/call', { ...args, requestState });
		t.match(
			await send('POST', { ...foreign, headers: { ...foreign.headers, 'x-toolgate-principal': 'mallory@example.com' } }),
			refused,
			'another principal',
		);
		t.match(await send('POST', { ...foreign, headers: { ...foreign.headers, 'x-toolgate-agent-id': 'other' } }), refused, 'another agent');
		advance(600_000);
		t.match(await ask(listener, 'tools/call', { ...args, requestState }), refused, 'expired');
		t.equal(gate.calls.length, count);

		gate.onCall = () => asks();
		t.notOk(
			'requestState' in ((await ask(listener, 'tools/call', args)).json['result'] as JsonObject),
			'no state, where the upstream has none',
		);
		await ask(listener, 'tools/call', { ...args, inputResponses });
		t.match(gate.calls.at(-1)?.message['params'], { inputResponses });
	},
);

t.test('an agent that shows pages is sent to the one where a person approves; that it did so approves nothing', async (t) => {
	const listener = await listen(t);
	const { gate } = listener;
	const able = envelope({ [`${META}clientCapabilities`]: { elicitation: { form: {}, url: {} } } });
	const pending: Outcome = {
		kind: 'refused',
		word: 'approval_pending',
		text: 'A person has to approve',
		decisionId: 'd',
		approvalUrl: 'http://x/approvals/1',
	};
	gate.onCall = () => pending;
	const args = { name: 'refund', arguments: { a: 1 }, inputResponses: { earlier: { action: 'accept' } } };
	const first = (await ask(listener, 'tools/call', args, able)).json['result'] as JsonObject;
	t.equal(gate.calls.at(-1)?.waits, false, 'it is sent there at once');
	t.match(first, {
		resultType: 'input_required',
		inputRequests: {
			'dev.toolgate/approval': { method: 'elicitation/create', params: { mode: 'url', message: /person/, url: 'http://x/approvals/1' } },
		},
		requestState: String,
	});
	const { requestState } = first as { requestState: string };
	gate.onCall = () => ok('approved meanwhile');
	const again = { ...args, requestState, inputResponses: { 'dev.toolgate/approval': { action: 'accept' } } };
	t.match((await ask(listener, 'tools/call', again, able)).json['result'], { content: [{ text: 'approved meanwhile' }] });
	t.equal(gate.calls.at(-1)?.waits, undefined, 'now it waits');
	t.strictSame(
		(gate.calls.at(-1)!.message['params'] as JsonObject)['inputResponses'],
		{ earlier: { action: 'accept' } },
		"what was answered before is still there, and the page is not the upstream's",
	);
	t.notOk('requestState' in (gate.calls.at(-1)!.message['params'] as JsonObject));
	gate.onCall = () => pending;
	t.match(
		(await ask(listener, 'tools/call', args)).json['result'],
		{ isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'approval_pending' } } },
		'one that shows none reads it',
	);
	t.match(
		(await ask(listener, 'completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'x', value: '' } }, able)).json[
			'error'
		],
		{ code: 1403, data: { outcome: 'approval_pending', approvalUrl: 'http://x/approvals/1' } },
	);
});

t.test('an agent listens for the changes that it may hear of, and every message says for which request', async (t) => {
	const { open, gate, mcp, send } = await listen(t);
	gate.onDescribe = () => ({ capabilities: { tools: {}, resources: { subscribe: true } } });
	gate.onCall = ({ name, message }) =>
		name === 'a:secret'
			? refusals.unknownResource(name)
			: { kind: 'answered', word: 'ok', answer: { result: { said: message['method'] as string } } };
	const notifications = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['a:b', 'a:secret'] };
	const { headers, body } = modern('subscriptions/listen', { notifications });
	const stream = await open('POST', { ...headers, ...EVENTS }, body);
	const _meta = { [`${META}subscriptionId`]: 1 };
	t.strictSame(await nextMessage(stream), {
		jsonrpc: '2.0',
		method: 'notifications/subscriptions/acknowledged',
		params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['a:b'] }, _meta },
	});
	t.match(
		gate.calls.map(({ message, name, upstreamSession }) => [message['method'], name, upstreamSession]),
		[
			['resources/subscribe', 'a:b', gate.opened[0]],
			['resources/subscribe', 'a:secret', gate.opened[0]],
		],
	);
	mcp.listsChanged();
	t.strictSame(
		await nextMessage(stream),
		{ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta } },
		'nothing of lists it did not ask for or that are not offered',
	);
	const session = gate.opened[0] as string;
	const updated = (uri: string) =>
		mcp.notified('one', session, {
			jsonrpc: '2.0',
			method: 'notifications/resources/updated',
			params: { uri, _meta: { x: 1, 'dev.toolgate/x': 1 } },
		});
	updated('a:other');
	updated('a:b');
	t.strictSame(await nextMessage(stream), {
		jsonrpc: '2.0',
		method: 'notifications/resources/updated',
		params: { uri: 'a:b', _meta: { x: 1, ..._meta } },
	});
	gate.visible = () => false;
	updated('a:b/hidden');
	gate.visible = () => true;
	updated('a:b/part');
	t.match(await nextMessage(stream), { params: { uri: 'a:b/part' } }, 'not while a rule forbids it');
	stream.close();
	while (gate.ended.length === 0) await new Promise(setImmediate);
	t.strictSame(gate.ended, [session]);

	t.match(await send('POST', { headers, body }), { status: 400, json: { error: { code: -32600, message: /event-stream/ } } });
	for (const bad of [
		undefined,
		{ resourceSubscriptions: 'a:b' },
		{ resourceSubscriptions: [1] },
		{ resourceSubscriptions: Array.from({ length: 101 }, (_, i) => `a:${i}`) },
	]) {
		const wrong = modern('subscriptions/listen', bad === undefined ? {} : { notifications: bad });
		t.match(await send('POST', { headers: { ...wrong.headers, ...EVENTS }, body: wrong.body }), {
			status: 200,
			json: { error: { code: -32602 } },
		});
	}
	const nothing = modern('subscriptions/listen', { notifications: { promptsListChanged: true } });
	const empty = await open('POST', { ...nothing.headers, ...EVENTS }, nothing.body);
	t.match(await nextMessage(empty), { params: { notifications: {} } });
	t.match(await nextMessage(empty), { id: 1, result: { resultType: 'complete', _meta } });
	t.equal(await empty.next(), 'END');
});

t.test('streams that listen are capped per principal, kept alive, and ended at close', async (t) => {
	const { open, send, close } = await listen(t, {
		mcp: { keepAliveMs: 5, sessions: { total: 100, perPrincipal: 2, idleMs: 1, ageMs: 1 } },
	});
	const { headers, body } = modern('subscriptions/listen', { notifications: { toolsListChanged: true } });
	const streams = [await open('POST', { ...headers, ...EVENTS }, body), await open('POST', { ...headers, ...EVENTS }, body)];
	t.match(await send('POST', { headers: { ...headers, ...EVENTS }, body }), {
		status: 200,
		json: { error: { code: -32603, message: /2 streams/ } },
	});
	await nextMessage(streams[0]!);
	t.equal(await streams[0]!.next(), ': keep-alive');
	const closed = close();
	t.match(await nextMessage(streams[0]!), { id: 1, result: { resultType: 'complete' } });
	await closed;
});
