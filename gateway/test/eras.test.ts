import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { inputRequired, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { build, type Built } from './build.ts';
import { modernMcpServer, type ModernMcpServer } from './modern-mcp-server.ts';
import { everythingOverHttp } from './npm-servers.ts';
import { rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

const bundle = rulesBundle(
	t,
	`
access contains "everybody" if true

finding contains {
	"rule": "test.ask",
	"verdict": "approvalRequired",
	"message": "a person must agree",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": 60},
} if {
	input.tool.name == "refund"
}
`,
);
const SERVER_REQUESTS = ['elicitation', 'sampling', 'roots'];

/** A server of the modern era with one of everything. */
function makeServer(): McpServer {
	const server = new McpServer({ name: 'modern', version: '1' }, { capabilities: { resources: { subscribe: true } } });
	const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });
	server.registerTool('ask', { inputSchema: z.object({ kind: z.enum(['elicitation', 'sampling']) }) }, async ({ kind }, { mcpReq }) => {
		const { answer } = mcpReq.inputResponses ?? {};
		if (answer !== undefined) return text(`answered ${JSON.stringify(answer)} with ${mcpReq.requestState<string>()}`);
		const inputRequests = {
			answer:
				kind === 'elicitation'
					? {
							method: 'elicitation/create',
							params: { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
						}
					: {
							method: 'sampling/createMessage',
							params: { messages: [{ role: 'user', content: { type: 'text', text: 'Hi' } }], maxTokens: 5 },
						},
		};
		return inputRequired({ inputRequests: inputRequests as never, requestState: 'the state of the upstream' });
	});
	server.registerTool('count', { inputSchema: z.object({}) }, async (_args, { mcpReq }) => {
		for (const progress of [1, 2])
			await mcpReq.notify({ method: 'notifications/progress', params: { progressToken: mcpReq._meta!.progressToken!, progress } });
		return text('counted');
	});
	server.registerTool('wait', { inputSchema: z.object({}) }, async (_args, { mcpReq }) => {
		await mcpReq.notify({ method: 'notifications/progress', params: { progressToken: mcpReq._meta!.progressToken!, progress: 1 } });
		return new Promise((resolve) => mcpReq.signal.addEventListener('abort', () => resolve(text('nobody hears it'))));
	});
	server.registerTool('refund', { inputSchema: z.object({ cents: z.number() }) }, async ({ cents }) => text(`refunded ${cents}`));
	server.registerResource('note', 'note://one', {}, async (uri) => ({ contents: [{ uri: uri.href, text: 'a note' }] }));
	server.registerResource('any note', new ResourceTemplate('note://{id}', { list: undefined }), {}, async (uri) => ({
		contents: [{ uri: uri.href, text: 'any note' }],
	}));
	server.registerPrompt('greet', { argsSchema: z.object({ name: z.string() }) }, ({ name }) => ({
		messages: [{ role: 'user', content: { type: 'text', text: `Hello ${name}` } }],
	}));
	return server;
}

async function beforeModern(t: Test): Promise<{ built: Built; server: ModernMcpServer }> {
	const server = await modernMcpServer(t, makeServer);
	const built = await build(t, {
		upstreams: { notes: { url: server.url, serverRequests: SERVER_REQUESTS } as { url: string } },
		config: { policy: { bundle: await bundle } },
	});
	return { built, server };
}

async function connectV2(t: Test, url: string, capabilities: object = {}, headers: Record<string, string> = {}): Promise<ClientV2> {
	const client = new ClientV2({ name: 'v2', version: '1' }, { capabilities, versionNegotiation: { mode: 'auto' } });
	await client.connect(new TransportV2(new URL(url), { requestInit: { headers } }));
	t.teardown(() => client.close());
	return client;
}

t.test('modern agent, modern upstream: elicitation, sampling, progress, cancellation, resources, prompts and listening', async (t) => {
	const { built, server } = await beforeModern(t);
	const client = await connectV2(t, built.mcpUrl, { elicitation: { form: {} }, sampling: {} });
	client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ada' } }));
	client.setRequestHandler('sampling/createMessage', async () => ({
		role: 'assistant',
		model: 'm',
		content: { type: 'text', text: 'a sample' },
	}));
	t.match(client.getServerVersion(), { name: 'modern' });
	t.match(
		JSON.stringify(await client.callTool({ name: 'ask', arguments: { kind: 'elicitation' } })),
		/answered.*Ada.*the state of the upstream/,
	);
	t.match(JSON.stringify(await client.callTool({ name: 'ask', arguments: { kind: 'sampling' } })), /a sample/);
	t.strictSame(await built.traces(), ['ask → allow', 'ask → allow', 'ask → allow', 'ask → allow'], 'each round is decided and recorded');
	const progress: number[] = [];
	await client.callTool({ name: 'count', arguments: {} }, { onprogress: ({ progress: at }) => progress.push(at) });
	t.strictSame(progress, [1, 2]);

	const cancelling = new AbortController();
	await t.rejects(
		client.callTool({ name: 'wait', arguments: {} }, { signal: cancelling.signal, onprogress: () => cancelling.abort('enough') }),
	);
	await until('the upstream to notice', () => server.requests.findLast(({ body }) => body.includes('"wait"'))?.isClosed());

	t.match(await client.listResources(), { resources: [{ uri: 'note://one' }] });
	t.match(await client.readResource({ uri: 'note://two' }), { contents: [{ text: 'any note' }] });
	t.match(await client.getPrompt({ name: 'greet', arguments: { name: 'Ada' } }), { messages: [{ content: { text: 'Hello Ada' } }] });
	const called = server.requests.find(({ body }) => body.includes('"count"'))!;
	t.match(called.headers, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'count' });

	const updated = Promise.withResolvers<string>();
	client.setNotificationHandler('notifications/resources/updated', ({ params }) => updated.resolve(params.uri));
	const listening = await client.listen({ resourceSubscriptions: ['note://one'] });
	await until('the upstream to be asked for news', () =>
		server.sent('subscriptions/listen').some(({ params }) => JSON.stringify(params).includes('note://one')),
	);
	await until('the news', async () => {
		server.notify.resourceUpdated('note://one');
		return Promise.race([updated.promise, new Promise<undefined>((resolve) => setTimeout(resolve, 50, undefined))]);
	});
	await listening.close();
});

t.test('a modern agent that shows pages is sent to the inbox, and comes back when a person has decided', async (t) => {
	const { built } = await beforeModern(t);
	const client = await connectV2(t, built.mcpUrl, { elicitation: { url: {} } });
	const pages: string[] = [];
	client.setRequestHandler('elicitation/create', async ({ params }) => {
		const { url } = params as { url: string };
		pages.push(url);
		const approved = await built.api('POST', `/api/approvals/${url.split('/').at(-1)}/approve`, {});
		t.equal(approved.status, 200);
		return { action: 'accept' };
	});
	t.match(await client.callTool({ name: 'refund', arguments: { cents: 5 } }), { content: [{ text: 'refunded 5' }] });
	t.match(pages, [/^http:\/\/people\.example\/approvals\//]);
	t.match(await built.traces(), [/^refund → approvalRequired → approval_pending/, /^refund → approvalRequired → approved|^refund → allow/]);
});

t.test('modern agents, legacy upstream: everything that needs no asking back, and nobody shares a session with anybody else', async (t) => {
	const server = await everythingOverHttp(t);
	const built = await build(t, {
		upstreams: { every: { url: server.url, serverRequests: SERVER_REQUESTS } as { url: string } },
		config: { policy: { bundle: await bundle } },
	});
	const client = await connectV2(t, built.mcpUrl, { elicitation: { form: {} }, sampling: {} });
	t.match(client.getServerVersion(), { name: 'mcp-servers/everything' });
	t.match(await client.callTool({ name: 'echo', arguments: { message: 'hi' } }), { content: [{ text: 'Echo: hi' }] });
	const progress: number[] = [];
	await client.callTool(
		{ name: 'trigger-long-running-operation', arguments: { duration: 0.05, steps: 2 } },
		{ onprogress: ({ progress: at }) => progress.push(at) },
	);
	t.strictSame(progress, [1, 2]);
	t.match(await client.readResource({ uri: 'demo://resource/dynamic/text/5' }), { contents: [{ text: /Resource 5/ }] });
	t.match(await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Rome' } }), { messages: [{ content: { text: /Rome/ } }] });
	t.match(
		await client.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'E' } }),
		{ completion: { values: ['Engineering'] } },
	);
	t.match(
		await client.callTool({ name: 'trigger-elicitation-request', arguments: {} }),
		{ isError: true },
		'what has to ask back says that it can not',
	);
	const sessions = () => server.sessions.size;
	const count = sessions();
	const mallory = await connectV2(t, built.mcpUrl, {}, { 'x-toolgate-principal': 'mallory@example.com' });
	await mallory.callTool({ name: 'echo', arguments: { message: 'hi' } });
	t.equal(sessions(), count + 1);
	await client.callTool({ name: 'echo', arguments: { message: 'again' } });
	t.equal(sessions(), count + 1, 'one per principal, kept');
});

t.test('legacy agent, modern upstream: the gateway keeps the session, and says what can not be asked', async (t) => {
	const { built, server } = await beforeModern(t);
	const client = new ClientV1({ name: 'v1', version: '1' }, { capabilities: { elicitation: {}, sampling: {} } });
	await client.connect(new TransportV1(new URL(built.mcpUrl)) as never);
	t.teardown(() => client.close());
	t.match(client.getServerVersion(), { name: 'modern' });
	t.match(client.getServerCapabilities(), { tools: { listChanged: true }, resources: { subscribe: true }, prompts: {} });
	const progress: number[] = [];
	t.match(await client.callTool({ name: 'count', arguments: {} }, undefined, { onprogress: ({ progress: at }) => progress.push(at) }), {
		content: [{ text: 'counted' }],
	});
	t.strictSame(progress, [1, 2]);
	t.match(await client.readResource({ uri: 'note://one' }), { contents: [{ text: 'a note' }] });
	t.match(await client.getPrompt({ name: 'greet', arguments: { name: 'Ada' } }), { messages: [{ content: { text: 'Hello Ada' } }] });
	t.match(await client.callTool({ name: 'ask', arguments: { kind: 'elicitation' } }), {
		isError: true,
		content: [{ text: /has to ask|has to be able to ask|elicitation/ }],
	});
	const updated = Promise.withResolvers<string>();
	client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.resolve(params.uri));
	await client.subscribeResource({ uri: 'note://one' });
	await until('the upstream to be asked for news', () =>
		server.sent('subscriptions/listen').some(({ params }) => JSON.stringify(params).includes('note://one')),
	);
	await until('the news', async () => {
		server.notify.resourceUpdated('note://one');
		return Promise.race([updated.promise, new Promise<undefined>((resolve) => setTimeout(resolve, 50, undefined))]);
	});
	t.equal(await updated.promise, 'note://one');
});
