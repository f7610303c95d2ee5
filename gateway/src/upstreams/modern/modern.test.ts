import { setImmediate as turn } from 'node:timers/promises';
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { inputRequired, McpServer } from '@modelcontextprotocol/server';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { modernMcpServer } from '../../../test/modern-mcp-server.ts';
import { json, rawMcpServer } from '../../../test/raw-mcp-server.ts';
import { sdkMcpServer } from '../../../test/sdk-mcp-server.ts';
import type { JsonObject } from '../../domain.ts';
import type { UpstreamCall } from '../upstream-call.ts';
import { Upstreams, type UpstreamSettings, type UpstreamsOptions } from '../upstreams.ts';

/** What a modern agent says in every request. */
const ENVELOPE = {
	'io.modelcontextprotocol/protocolVersion': '2026-07-28',
	'io.modelcontextprotocol/clientInfo': { name: 'modern agent', version: '3' },
	'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} }, sampling: {} },
};

function shop(): McpServer {
	const server = new McpServer(
		{ name: 'shop', version: '2' },
		{ capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: {}, logging: {} } },
	);
	server.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, async ({ text }) => ({
		content: [{ type: 'text', text }],
		_meta: { 'dev.toolgate/decision': 'forged', 'example.com/kept': 1 },
	}));
	server.registerTool('count', { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
		const { progressToken } = mcpReq._meta ?? {};
		if (progressToken !== undefined)
			for (const progress of [1, 2]) await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress } });
		return { content: [] };
	});
	server.registerTool('hang', { inputSchema: z.object({}) }, () => new Promise(() => {}));
	server.registerTool('ask', { inputSchema: z.object({}) }, async () =>
		inputRequired({
			inputRequests: { who: inputRequired.elicit({ message: 'who?', requestedSchema: { type: 'object', properties: {} } }) },
			requestState: 'sealed by the upstream',
		}),
	);
	const region = z.string().meta({ 'x-mcp-header': 'Region' });
	server.registerTool(
		'place',
		{ inputSchema: z.object({ region, nested: z.object({ urgent: z.boolean().meta({ 'x-mcp-header': 'Urgent' }) }).optional() }) },
		async ({ region }) => ({ content: [{ type: 'text', text: region }] }),
	);
	server.registerResource('doc', 'doc://one', {}, async (uri) => ({ contents: [{ uri: uri.href, text: 'one' }] }));
	server.registerPrompt('sum', {}, async () => ({ messages: [] }));
	return server;
}

function connect(
	t: Test,
	url: string,
	settings: Partial<UpstreamSettings> & { era?: 'auto' | 'modern' | 'legacy' } = {},
	options: Partial<UpstreamsOptions> = {},
) {
	const upstreams = new Upstreams(
		{
			shop: {
				url,
				headers: { authorization: 'Bearer of-the-gateway' },
				timeoutMs: 5_000,
				serverRequests: ['elicitation'],
				...settings,
			} as UpstreamSettings,
		},
		{ maxResultBytes: 100_000, version: '0.1.0', onStale: () => {}, ...options },
	);
	t.teardown(() => upstreams.close(0));
	const request = (method: string, params: JsonObject, more: Partial<UpstreamCall> = {}) =>
		upstreams.request({
			upstream: 'shop',
			era: 'modern',
			principalId: 'alice',
			message: {
				jsonrpc: '2.0',
				id: "the agent's id",
				method,
				params: { ...params, _meta: { ...ENVELOPE, ...(params['_meta'] as JsonObject) } },
			},
			downstream: { notify: () => {}, cancelled: new AbortController().signal },
			...more,
		});
	return { upstreams, upstream: upstreams.all[0]!, request };
}

t.test('a real server of the modern era', async (t) => {
	const server = await modernMcpServer(t, shop);
	const { upstream, request } = connect(t, server.url);
	const introduction = await upstream.initializeResult();
	t.strictSame(upstream.eras, ['modern']);
	t.match(introduction, {
		protocolVersion: '2026-07-28',
		serverInfo: { name: 'shop', version: '2' },
		capabilities: { tools: {}, resources: { subscribe: true } },
	});
	t.match(upstream.health, { state: 'up' }, 'that it does not speak the other era is no fault');

	await t.test('a request says all about itself in body and headers, in names of ours', async (t) => {
		const answer = await request('tools/call', {
			name: 'echo',
			arguments: { text: 'hi' },
			_meta: { progressToken: 'agent token', 'dev.toolgate/x': 1, 'example.com/y': 2 },
		});
		t.match(answer, { kind: 'answered', message: { result: { content: [{ text: 'hi' }], _meta: { 'example.com/kept': 1 } } } });
		t.notMatch(JSON.stringify(answer), /forged/);
		const [sent] = server.sent('tools/call');
		t.strictSame(sent?.params['_meta'], {
			...ENVELOPE,
			'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
			progressToken: sent?.id,
			'example.com/y': 2,
		});
		const { headers } = server.requests.find(({ body }) => body.includes('"tools/call"'))!;
		t.match(headers, {
			'mcp-protocol-version': '2026-07-28',
			'mcp-method': 'tools/call',
			'mcp-name': 'echo',
			authorization: 'Bearer of-the-gateway',
		});
		t.notOk(headers['mcp-session-id']);
	});
	await t.test('arguments that the schema marks are repeated as headers', async (t) => {
		const { tools } = (await upstream.request('tools/list', {})) as { tools: JsonObject[] };
		const definition = tools.find(({ name }) => name === 'place')!;
		const answer = await request('tools/call', { name: 'place', arguments: { region: 'süd', nested: { urgent: true } } }, { definition });
		t.match(answer, { kind: 'answered', message: { result: { content: [{ text: 'süd' }] } } });
		t.match(server.requests.at(-1)?.headers, {
			'mcp-param-region': `=?base64?${Buffer.from('süd').toString('base64')}?=`,
			'mcp-param-urgent': 'true',
		});
		t.match(
			await request('tools/call', { name: 'place', arguments: { region: 'x' } }),
			{ kind: 'not_sent', why: 'headers and body do not agree for it' },
			'without its definition it is turned away',
		);
	});
	await t.test('progress, resources, prompts, and a result that asks for input', async (t) => {
		const notified: JsonObject[] = [];
		await request(
			'tools/call',
			{ name: 'count', arguments: {}, _meta: { progressToken: 7 } },
			{ downstream: { notify: (message) => notified.push(message), cancelled: new AbortController().signal } },
		);
		t.match(
			notified.map(({ params }) => params),
			[
				{ progressToken: 7, progress: 1 },
				{ progressToken: 7, progress: 2 },
			],
		);
		t.match(await request('resources/read', { uri: 'doc://one' }), { message: { result: { contents: [{ text: 'one' }] } } });
		t.match(await request('prompts/get', { name: 'sum' }), { message: { result: { messages: [] } } });
		t.match(await request('tools/call', { name: 'ask', arguments: {} }), {
			message: { result: { resultType: 'input_required', requestState: /.+/, inputRequests: { who: { method: 'elicitation/create' } } } },
		});
		t.match(await request('resources/read', { uri: 'doc://none' }), { kind: 'answered', message: { error: { code: -32602 } } });
	});
	await t.test('what it may ask for is no more than agent and configuration allow', async (t) => {
		const legacyAgent = await request(
			'tools/call',
			{ name: 'ask', arguments: {}, _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } },
			{ era: 'legacy' },
		);
		t.notMatch(JSON.stringify(legacyAgent), /input_required/);
		t.match(server.sent('tools/call').at(-1)?.params['_meta'], { 'io.modelcontextprotocol/clientCapabilities': {} });
	});
	await t.test('cancelling closes the stream of the answer', async (t) => {
		const agent = new AbortController();
		const hung = request('tools/call', { name: 'hang', arguments: {} }, { downstream: { notify: () => {}, cancelled: agent.signal } });
		while (!server.requests.at(-1)?.body.includes('"hang"')) await turn();
		agent.abort();
		t.match(await hung, { kind: 'broken', why: 'the agent cancelled the call' });
		while (!server.requests.find(({ body }) => body.includes('"hang"'))!.isClosed()) await turn();
		t.match(await request('tools/call', { name: 'hang', arguments: {} }, { timeoutMs: 50 }), { kind: 'timed_out', why: 'waited 50 ms' });
	});
});

t.test('changes are listened to, for the gateway and for the sessions that subscribed', async (t) => {
	const server = await modernMcpServer(t, shop);
	let stale = 0;
	const { upstreams, upstream, request } = connect(t, server.url, {}, { onStale: () => stale++ });
	const heard: string[] = [];
	upstreams.onNotification((_, session, { method, params }) => heard.push(`${session} ${String(method)} ${JSON.stringify(params)}`));
	await upstream.initializeResult();
	const until = async (holds: () => boolean) => {
		while (!holds()) await turn();
	};
	const listening = () => server.requests.filter(({ body, isClosed }) => body.includes('subscriptions/listen') && !isClosed());
	await until(() => listening().length === 1);
	while (stale === 0) {
		server.notify.toolsChanged();
		await turn();
	}
	for (const sessionId of ['a', 'b'])
		t.match(await request('resources/subscribe', { uri: 'doc://one' }, { sessionId }), { kind: 'answered', message: { result: {} } });
	t.equal(server.sent('resources/subscribe').length, 0, 'which the era does not know');
	while (heard.length === 0) {
		server.notify.resourceUpdated('doc://one');
		await turn();
	}
	t.strictSame(
		heard.slice(0, 2),
		['a', 'b'].map((session) => `${session} notifications/resources/updated {"uri":"doc://one"}`),
	);
	await until(() => listening().length === 1);
	t.match(server.sent('subscriptions/listen').at(-1)?.params['notifications'], {
		resourceSubscriptions: ['doc://one'],
		toolsListChanged: true,
	});
	await upstreams.closeSession('a');
	await request('resources/unsubscribe', { uri: 'doc://one' }, { sessionId: 'b' });
	await until(() => listening().length === 1 && !listening()[0]!.body.includes('doc://one'));
	const before = stale;
	await server.kill();
	await server.revive();
	await until(() => stale > before);
});

t.test('what an agent session was granted before is listened to at once, also where the upstream was away then', async (t) => {
	const server = await modernMcpServer(t, shop);
	await server.kill();
	const { upstreams, upstream } = connect(t, server.url, { era: 'auto' });
	const message = { jsonrpc: '2.0', id: 0, method: 'resources/subscribe', params: { uri: 'doc://one' } };
	await upstreams.openSession('s', { capabilities: {} }, [{ upstream: 'shop', message }]);
	await server.revive();
	await upstream.initializeResult();
	while (!server.requests.some(({ body }) => body.includes('subscriptions/listen') && body.includes('doc://one'))) await turn();
	await upstreams.closeSession('s');
});

t.test('eras are found by asking, and each agent is served in its own where there is a choice', async (t) => {
	const settings = { serverRequests: [] } as const;
	const params = { name: 'echo', arguments: { text: 'hi' } };
	const legacyMessage: JsonObject = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
	await t.test('both', async (t) => {
		const server = await modernMcpServer(t, shop, 'stateless');
		const { upstream, request } = connect(t, server.url, settings);
		await upstream.initializeResult();
		t.strictSame(upstream.eras, ['modern', 'legacy']);
		t.match(await request('tools/call', params), { kind: 'answered' });
		t.equal(server.requests.at(-1)?.headers['mcp-method'], 'tools/call');
		t.match(await request('tools/call', params, { era: 'legacy', message: legacyMessage }), { kind: 'answered' });
		t.equal(server.requests.at(-1)?.headers['mcp-method'], undefined);
	});
	await t.test('legacy only, whatever it answers to a question that it does not know', async (t) => {
		const server = await sdkMcpServer(t, () => {
			const one = new LegacyServer({ name: 'old', version: '1' });
			one.registerTool('echo', { inputSchema: { text: z.string() } }, ({ text }, { _meta }) => ({
				content: [{ type: 'text', text: `${text} ${JSON.stringify(_meta ?? {})}` }],
			}));
			return one;
		});
		const { upstream, request } = connect(t, server.url, settings);
		t.match(
			await request('tools/call', params),
			{ kind: 'answered', message: { result: { content: [{ text: 'hi {}' }] } } },
			'a modern agent is understood, without its envelope',
		);
		t.strictSame(upstream.eras, ['legacy']);
		for (const answer of [405, 500, 'error', 'nonsense'] as const) {
			const odd = await rawMcpServer(t, {
				'server/discover': ({ message }, response) => {
					if (typeof answer === 'number') response.writeHead(answer).end();
					else
						json(response, 200, {
							jsonrpc: '2.0',
							id: message['id']!,
							...(answer === 'error' ? { error: { code: -32601, message: 'what?' } } : { result: { hello: 1 } }),
						});
				},
				'tools/call': ({ message }, response) => json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: {} }),
			});
			const { upstream, request } = connect(t, odd.url, settings);
			t.match(await request('tools/call', params), { kind: 'answered' });
			t.strictSame(upstream.eras, ['legacy'], String(answer));
		}
	});
	await t.test('not there, and then another one', async (t) => {
		const modern = await modernMcpServer(t, shop);
		const { upstream, request } = connect(t, modern.url, settings);
		await modern.kill();
		t.match(await request('tools/call', params), { kind: 'not_sent', why: 'connection refused', isUnreachable: true });
		t.strictSame(upstream.eras, []);
		await modern.revive();
		t.match(await request('tools/call', params), { kind: 'answered' });
		t.strictSame(upstream.eras, ['modern']);
	});
	await t.test('as configured', async (t) => {
		const server = await modernMcpServer(t, shop, 'stateless');
		const { upstream, request } = connect(t, server.url, { ...settings, era: 'modern' });
		t.match(await request('tools/call', params, { era: 'legacy', message: legacyMessage }), { kind: 'answered' });
		t.strictSame(upstream.eras, ['modern']);
		t.ok(server.requests.every(({ headers }) => headers['mcp-method'] !== undefined));
	});
});

t.test('refusals of the request as such are told apart from answers; a broken stream is broken', async (t) => {
	let stale = 0;
	const said: [string, JsonObject | 'break', object][] = [
		['headers', { error: { code: -32020, message: 'x' } }, { kind: 'not_sent', why: /do not agree/ }],
		['capability', { error: { code: -32021, message: 'x', data: {} } }, { kind: 'not_sent', why: /can be asked for more/ }],
		[
			'version',
			{ error: { code: -32022, message: 'x', data: { supported: ['2030-01-01'] } } },
			{ kind: 'not_sent', why: /does not speak MCP 2026-07-28/ },
		],
		['params', { error: { code: -32602, message: 'x' } }, { kind: 'answered', message: { error: { code: -32602 } } }],
		['break', 'break', { kind: 'broken', why: 'the stream ended before the answer' }],
	];
	for (const [name, answer, expected] of said) {
		const server = await rawMcpServer(t, {
			'tools/call': ({ message }, response) => {
				if (answer === 'break')
					response
						.writeHead(200, { 'content-type': 'text/event-stream' })
						.end('id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n');
				else json(response, 400, { jsonrpc: '2.0', id: message['id']!, ...answer });
			},
		});
		const { request } = connect(t, server.url, { era: 'modern' }, { onStale: () => stale++ });
		t.match(await request('tools/call', { name: 'x' }), expected, name);
		t.equal(server.received.length, 1, 'sent once');
	}
	t.equal(stale, 3);
});
