import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { rawMcpServer, stream } from '../../test/raw-mcp-server.ts';
import { type SdkMcpServer, sdkMcpServer } from '../../test/sdk-mcp-server.ts';
import type { UpstreamCall } from './upstream-call.ts';
import type { JsonObject } from '../domain.ts';
import { Upstreams, type UpstreamsOptions } from './upstreams.ts';

const AGENT = {
	protocolVersion: '2025-03-26',
	clientInfo: { name: 'agent', version: '7' },
	capabilities: { elicitation: {}, sampling: {} },
};

function shop(): McpServer {
	const server = new McpServer({ name: 'shop', version: '1' }, { capabilities: { logging: {} } });
	server.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }, { sessionId }) => ({
		content: [{ type: 'text', text: `${text} in ${sessionId}` }],
		_meta: { 'dev.toolgate/decision': 'forged', 'example.com/kept': 1 },
	}));
	server.registerTool('count', { inputSchema: {} }, async (_, { sendNotification, _meta }) => {
		const progressToken = _meta?.progressToken;
		if (progressToken !== undefined) {
			await sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
			await sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
			await sendNotification({ method: 'notifications/progress', params: { progressToken: 'of someone else', progress: 2 } });
			await sendNotification({ method: 'notifications/progress', params: { progressToken, progress: 3, total: 3 } });
		}
		await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'counted' } });
		return { content: [] };
	});
	return server;
}

function connect(
	t: Test,
	url: string,
	options: Partial<UpstreamsOptions> & { headers?: Record<string, string>; timeoutMs?: number } = {},
): Upstreams {
	const { headers = {}, timeoutMs = 5_000, ...rest } = options;
	const upstreams = new Upstreams(
		{ shop: { url, headers, timeoutMs, era: 'legacy' } },
		{ maxResultBytes: 1_000_000, version: '0.1.0', onStale: () => {}, ...rest },
	);
	t.teardown(() => upstreams.close(0));
	return upstreams;
}

function call(
	name: string,
	args: JsonObject,
	options: Partial<UpstreamCall> & { meta?: JsonObject; notified?: JsonObject[] } = {},
): UpstreamCall {
	const { meta, notified = [], ...rest } = options;
	return {
		upstream: 'shop',
		message: {
			jsonrpc: '2.0',
			id: "the agent's id",
			method: 'tools/call',
			params: { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) },
		},
		downstream: { notify: (message) => notified.push(message), cancelled: new AbortController().signal },
		...rest,
	};
}

const bodies = (server: SdkMcpServer, method: string) =>
	server.requests
		.filter(({ body }) => body !== '' && JSON.parse(body).method === method)
		.map(({ body }) => JSON.parse(body) as { id?: number; params: Record<string, unknown> });

for (const answers of ['json', 'sse'] as const) {
	t.test(`a real server that answers by ${answers}`, async (t) => {
		const server = await sdkMcpServer(t, shop, answers);
		const upstreams = connect(t, server.url, { headers: { authorization: 'Bearer of-the-gateway' } });
		await upstreams.openSession('agent-session', AGENT);
		const notified: JsonObject[] = [];
		const first = await upstreams.call(call('echo', { text: 'hi' }, { sessionId: 'agent-session' }));
		t.match(first, { kind: 'answered', message: { result: { content: [{ text: /^hi in / }] } } });
		await upstreams.call(
			call(
				'count',
				{},
				{ sessionId: 'agent-session', notified, meta: { progressToken: 'agent token', 'dev.toolgate/x': 1, 'example.com/y': 2 } },
			),
		);

		t.test('the session is opened with our revision and without capabilities that let it ask back', async (t) => {
			const [initialize] = bodies(server, 'initialize');
			t.strictSame(initialize?.params, { protocolVersion: '2025-11-25', clientInfo: { name: 'agent', version: '7' }, capabilities: {} });
			const { headers } = server.requests.find(({ body }) => body.includes('tools/call'))!;
			t.match(headers, { 'mcp-protocol-version': '2025-11-25', authorization: 'Bearer of-the-gateway' });
		});
		t.test('ids and progress tokens are ours on the way up', async (t) => {
			const [, counted] = bodies(server, 'tools/call');
			t.notMatch(JSON.stringify(server.requests.map(({ body }) => body)), /agent's id|agent token/);
			t.strictSame(counted?.params['_meta'], { progressToken: counted?.id, 'example.com/y': 2 });
		});
		t.test('keys of ours are stripped from what comes down, others stay', async (t) => {
			t.strictSame(first.kind === 'answered' && (first.message['result'] as JsonObject)['_meta'], { 'example.com/kept': 1 });
		});
		// A server that answers by one JSON body has nowhere to put notifications.
		if (answers === 'sse') {
			t.test('progress comes under the token of the agent and only rises; logging comes as it is', async (t) => {
				t.strictSame(
					notified.map(({ params }) => params),
					[
						{ progressToken: 'agent token', progress: 1 },
						{ progressToken: 'agent token', progress: 3, total: 3 },
						{ level: 'info', data: 'counted' },
					],
				);
			});
			t.test('no token, no progress', async (t) => {
				const silent: JsonObject[] = [];
				await upstreams.call(call('count', {}, { sessionId: 'agent-session', notified: silent }));
				t.strictSame(
					silent.map(({ method }) => method),
					['notifications/message'],
				);
			});
		}
		t.test('an error of the server is an answer', async (t) => {
			t.match(await upstreams.call({ ...call('echo', {}), message: { jsonrpc: '2.0', id: 1, method: 'nothing/known' } }), {
				kind: 'answered',
				message: { error: { code: -32601 } },
			});
		});
		t.test("a call of a session that is not known here shares nobody's, and leaves none behind", async (t) => {
			const before = server.sessions.size;
			const [one, two] = [
				await upstreams.call(call('echo', { text: 'hi' }, { sessionId: 'gone' })),
				await upstreams.call(call('echo', { text: 'hi' }, { sessionId: 'gone' })),
			];
			t.match([one, two], [{ kind: 'answered' }, { kind: 'answered' }]);
			t.notSame(one, two);
			while (server.sessions.size > before) await new Promise((resolve) => setImmediate(resolve));
		});
		t.test('each agent session has its own; it ends with it', async (t) => {
			await upstreams.openSession('another', AGENT);
			const other = await upstreams.call(call('echo', { text: 'hi' }, { sessionId: 'another' }));
			t.notSame(other, first);
			const before = server.sessions.size;
			await upstreams.closeSession('another');
			t.equal(server.sessions.size, before - 1);
		});
	});
}

t.test('a server that restarts is met again by the next call, and what it offers is looked at anew', async (t) => {
	const server = await sdkMcpServer(t, shop);
	let stale = 0;
	const turns: string[] = [];
	const upstreams = connect(t, server.url, {
		onStale: () => stale++,
		onHealth: ({ state, why }) => turns.push(why === undefined ? state : `${state}: ${why}`),
	});
	await server.kill();
	await upstreams.openSession('agent-session', AGENT);
	t.match(await upstreams.call(call('echo', { text: 'a' }, { sessionId: 'agent-session' })), {
		kind: 'not_sent',
		why: 'connection refused',
	});
	await server.revive();
	t.match(
		await upstreams.call(call('echo', { text: 'b' }, { sessionId: 'agent-session' })),
		{ kind: 'answered' },
		'what could not be opened at initialize is opened by the first call',
	);
	const before = stale;
	await server.kill();
	// The first call may still be written to a connection that is dying, and then nobody can say that it was not sent.
	await upstreams.call(call('echo', { text: 'c' }, { sessionId: 'agent-session' }));
	t.match(await upstreams.call(call('echo', { text: 'c' }, { sessionId: 'agent-session' })), { kind: 'not_sent' });
	await server.revive();
	const answers = await Promise.all(['d', 'e'].map((text) => upstreams.call(call('echo', { text }, { sessionId: 'agent-session' }))));
	t.strictSame(
		answers.map(({ kind }) => kind),
		['answered', 'answered'],
	);
	t.equal(bodies(server, 'initialize').length, 2);
	t.ok(stale > before);
	t.strictSame(
		turns.map((turn) => turn.split(':')[0]),
		['down', 'up', 'down', 'up'],
	);
	t.match(upstreams.health(), [{ name: 'shop', state: 'up' }]);
});

t.test('a cancelled call is cancelled above under our id, and drained', async (t) => {
	const agent = new AbortController();
	let finish: (() => void) | undefined;
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			stream(response, ': working\n\n');
			finish = () => response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: { content: [] } })}\n\n`);
		},
	});
	const upstreams = connect(t, server.url);
	const answer = upstreams.call(call('slow', {}, { downstream: { notify: () => {}, cancelled: agent.signal } }));
	const { message } = await server.seen((received) => received.message['method'] === 'tools/call');
	agent.abort('changed my mind');
	const cancelled = await server.seen((received) => received.message['method'] === 'notifications/cancelled');
	t.strictSame(cancelled.message['params'], { requestId: message['id'], reason: 'changed my mind' });
	finish?.();
	t.match(await answer, { kind: 'answered' });
	t.match(await upstreams.call(call('slow', {}, { downstream: { notify: () => {}, cancelled: agent.signal } })), {
		kind: 'not_sent',
		why: 'the agent cancelled the call',
	});
});

t.test('an upstream that asks back gets a refusal, a ping an answer, and the call goes on', async (t) => {
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			stream(response, `data: ${JSON.stringify({ jsonrpc: '2.0', id: 'e1', method: 'elicitation/create', params: {} })}\n\n`);
			response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'ping' })}\n\n`);
			void Promise.all(['e1', 9].map((id) => server.seen((received) => received.message['id'] === id))).then(() =>
				response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: { content: [] } })}\n\n`),
			);
		},
	});
	t.match(await connect(t, server.url).call(call('ask', {})), { kind: 'answered' });
	const answerTo = (id: unknown) => server.received.find(({ message }) => message['id'] === id)?.message;
	t.match(answerTo('e1'), { error: { code: -32601, message: 'serverRequests of this upstream does not list elicitation' } });
	t.strictSame(answerTo(9), { jsonrpc: '2.0', id: 9, result: {} });
});

t.test('a change of the tool list is heard on the stream of a call and on the stream that the gateway holds', async (t) => {
	const servers: McpServer[] = [];
	const server = await sdkMcpServer(t, () => {
		const one = shop();
		servers.push(one);
		return one;
	});
	let wake = () => {};
	const upstreams = connect(t, server.url, { onStale: () => wake() });
	await upstreams.all[0]!.initializeResult();
	while (!server.requests.some(({ httpMethod }) => httpMethod === 'GET')) await new Promise((resolve) => setImmediate(resolve));
	const heard = new Promise<void>((resolve) => (wake = resolve));
	servers[0]!.registerTool('new', {}, () => ({ content: [] }));
	await heard;
	t.pass('heard on the stream held');

	const raw = await rawMcpServer(t, {
		'tools/call': ({ message }, response) =>
			stream(
				response,
				`data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: {} })}\n\n`,
			).end(),
	});
	let stale = 0;
	const notified: JsonObject[] = [];
	const others = connect(t, raw.url, { onStale: () => stale++ });
	await others.all[0]!.initializeResult();
	t.equal(stale, 1, 'for the new session');
	await others.call(call('x', {}, { notified }));
	t.equal(stale, 2);
	t.strictSame(notified, [], 'and the agent hears of it from the gateway, not twice');
});

t.test('closing lets a running call end, tells the upstream, and sends nothing more', async (t) => {
	let finish: (() => void) | undefined;
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			finish = () =>
				response
					.writeHead(200, { 'content-type': 'application/json' })
					.end(JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: {} }));
		},
	});
	const upstreams = connect(t, server.url);
	const running = upstreams.call(call('x', {}));
	await server.seen(({ message }) => message['method'] === 'tools/call');
	const closed = upstreams.close();
	t.match(await upstreams.call(call('x', {})), { kind: 'not_sent', why: 'the gateway is closing' });
	finish?.();
	t.equal((await running).kind, 'answered');
	await closed;
	t.match(server.received.at(-1), { httpMethod: 'DELETE', headers: { 'mcp-session-id': 's1' } });
});
