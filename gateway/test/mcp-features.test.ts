import { setImmediate as turn } from 'node:timers/promises';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
	CreateMessageRequestSchema,
	ElicitRequestSchema,
	ListRootsRequestSchema,
	ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import t, { type Test } from 'tap';
import { openAgent } from './agent.ts';
import { build, type Built } from './build.ts';
import { everythingOverHttp } from './npm-servers.ts';
import { rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

const RULES = `
access contains "everybody" if not hidden

hidden if input.resource.uri == "demo://resource/static/document/architecture.md"

hidden if input.prompt.name == "simple-prompt"

finding contains {"rule": "test.thirteen", "verdict": "deny", "message": "unlucky"} if {
	input.method == "resources/read"
	endswith(input.resource.uri, "/13")
}

finding contains {
	"rule": "test.ask",
	"verdict": "approvalRequired",
	"message": "a person must agree",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": 60},
} if {
	input.method == "prompts/get"
	input.prompt.name == "args-prompt"
}

finding contains {
	"rule": "test.mask",
	"verdict": "allow",
	"message": "numbers are masked",
	"redact": [{"target": "request", "path": "/city", "match": "us-ssn", "mode": "mask"}],
} if {
	input.method == "prompts/get"
}
`;
const bundle = rulesBundle(t, RULES);
const DOCUMENTS = 'demo://resource/static/document/';
const SERVER_REQUESTS = ['elicitation', 'sampling', 'roots'];
const capabilities = { elicitation: {}, sampling: {}, roots: { listChanged: true } };

/** A gateway before the "everything" server from npm. */
async function gatewayBefore(t: Test, names: readonly string[] = ['every']): Promise<Built> {
	const upstreams: Record<string, { url: string; serverRequests: string[] }> = {};
	for (const name of names) upstreams[name] = { url: (await everythingOverHttp(t)).url, serverRequests: SERVER_REQUESTS };
	return build(t, { upstreams, config: { policy: { bundle: await bundle } } });
}

/** Refuses to open the stream of GET, as many clients never do. */
const withoutGet: typeof fetch = async (url, init) => (init?.method === 'GET' ? new Response(null, { status: 405 }) : fetch(url, init));

t.test('an SDK v1 client that never opens a GET stream uses every feature of a real server', (t) => usesEverything(t, withoutGet));

t.test('an SDK v1 client that does open one uses every feature too', (t) => usesEverything(t, fetch));

async function usesEverything(t: Test, fetchOfClient: typeof fetch): Promise<void> {
	const server = await everythingOverHttp(t);
	const { mcpUrl } = await build(t, {
		upstreams: { every: { url: server.url, serverRequests: SERVER_REQUESTS } as { url: string } },
		config: { policy: { bundle: await bundle } },
	});
	const client = new ClientV1({ name: 'v1', version: '1' }, { capabilities });
	client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada', check: true } }));
	client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => ({
		role: 'assistant',
		model: 'm',
		content: { type: 'text', text: `sampled ${params.maxTokens}` },
	}));
	client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///home/ada', name: 'home' }] }));
	await client.connect(new TransportV1(new URL(mcpUrl), { fetch: fetchOfClient }) as never);
	t.teardown(() => client.close());
	t.match(client.getServerCapabilities(), { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {}, completions: {} });

	t.match(JSON.stringify(await client.callTool({ name: 'trigger-elicitation-request', arguments: {} })), /Ada/);
	t.match(
		JSON.stringify(await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'x', maxTokens: 7 } })),
		/sampled 7/,
	);
	const both = await Promise.all([
		client.callTool({ name: 'trigger-elicitation-request', arguments: {} }),
		client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'x', maxTokens: 8 } }),
	]);
	t.match(JSON.stringify(both), /Ada.*sampled 8/, 'two questions at once');
	t.match(JSON.stringify(await client.callTool({ name: 'get-roots-list', arguments: {} })), /file:\/\/\/home\/ada/);

	const progress: number[] = [];
	await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.05, steps: 3 } }, undefined, {
		onprogress: ({ progress: at }) => progress.push(at),
	});
	t.strictSame(progress, [1, 2, 3]);
	const cancelling = new AbortController();
	await t.rejects(
		client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 60, steps: 60_000 } }, undefined, {
			signal: cancelling.signal,
			onprogress: () => cancelling.abort('enough'),
		}),
		/enough/,
	);
	await until('the upstream to hear of it', () => server.requests.some(({ body }) => body.includes('notifications/cancelled')));

	const { resources } = await client.listResources();
	t.ok(resources.length > 3);
	t.match(await client.readResource({ uri: `${DOCUMENTS}features.md` }), { contents: [{ uri: `${DOCUMENTS}features.md`, text: /\w/ }] });
	t.match(await client.listResourceTemplates(), { resourceTemplates: [{ uriTemplate: 'demo://resource/dynamic/text/{resourceId}' }, {}] });
	t.match(
		await client.readResource({ uri: 'demo://resource/dynamic/text/5' }),
		{ contents: [{ text: /Resource 5/ }] },
		'not listed, but a template says that it is there',
	);
	t.match(await client.getPrompt({ name: 'completable-prompt', arguments: { department: 'Sales 078-05-1120', name: 'Eve' } }), {
		messages: [{ content: { text: /promote Eve/ } }],
	});
	t.match(
		await client.complete({ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } }),
		{ completion: { values: ['Sales', 'Support'] } },
	);
	t.match(
		await client.complete({
			ref: { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' },
			argument: { name: 'resourceId', value: '3' },
		}),
		{ completion: { values: ['3'] } },
	);
	await client.subscribeResource({ uri: `${DOCUMENTS}features.md` });
	await client.unsubscribeResource({ uri: `${DOCUMENTS}features.md` });
	await client.setLoggingLevel('debug');
	await client.sendRootsListChanged();
}

t.test('an SDK v2 client that asks for the modern era first reads from a server of the other one, and hears how far it is', async (t) => {
	const { mcpUrl } = await gatewayBefore(t);
	const client = new ClientV2({ name: 'v2', version: '1' }, { capabilities, versionNegotiation: { mode: 'auto' } });
	await client.connect(new TransportV2(new URL(mcpUrl), { fetch: withoutGet }));
	t.teardown(() => client.close());
	t.match(await client.readResource({ uri: `${DOCUMENTS}features.md` }), { contents: [{ text: /\w/ }] });
	const progress: number[] = [];
	await client.callTool(
		{ name: 'trigger-long-running-operation', arguments: { duration: 0.05, steps: 2 } },
		{ onprogress: ({ progress: at }) => progress.push(at) },
	);
	t.strictSame(progress, [1, 2]);
});

t.test('lists show what a request would reach; what is hidden answers as what is not there', async (t) => {
	const { mcpUrl, traces, events } = await gatewayBefore(t);
	const agent = await openAgent(mcpUrl);
	const uris = ((await agent.request('resources/list'))['result'] as { resources: { uri: string }[] }).resources.map(({ uri }) => uri);
	t.ok(uris.includes(`${DOCUMENTS}features.md`));
	t.notOk(uris.includes(`${DOCUMENTS}architecture.md`));
	const hidden = await agent.request('resources/read', { uri: `${DOCUMENTS}architecture.md` });
	t.strictSame(hidden['error'], {
		code: -32002,
		message: `Resource not found: ${DOCUMENTS}architecture.md`,
		data: { uri: `${DOCUMENTS}architecture.md` },
	});
	const prompts = ((await agent.request('prompts/list'))['result'] as { prompts: { name: string }[] }).prompts.map(({ name }) => name);
	t.ok(prompts.includes('args-prompt'));
	t.notOk(prompts.includes('simple-prompt'));
	for (const name of ['simple-prompt', 'no-such-prompt']) {
		t.strictSame((await agent.request('prompts/get', { name }))['error'], { code: -32602, message: `Unknown prompt: ${name}` });
		t.strictSame(
			(await agent.request('completion/complete', { ref: { type: 'ref/prompt', name }, argument: { name: 'x', value: '' } }))['error'],
			{ code: -32602, message: `Unknown prompt: ${name}` },
		);
	}
	t.match((await agent.request('resources/read', { uri: 'demo://resource/dynamic/text/13' }))['error'], {
		code: 1403,
		message: /Denied by policy: unlucky/,
		data: { outcome: 'deny', decisionId: /^[0-9a-f-]{36}$/, rule: 'test.thirteen' },
	});
	t.strictSame(await traces(), [
		`resources/read ${DOCUMENTS}architecture.md → unknown_resource`,
		'prompts/get simple-prompt → unknown_prompt',
		'completion/complete simple-prompt → unknown_prompt',
		'prompts/get no-such-prompt → unknown_prompt',
		'completion/complete no-such-prompt → unknown_prompt',
		'resources/read demo://resource/dynamic/text/13 → deny',
	]);
	t.match((await events()).at(-1), {
		server: 'every',
		input: { method: 'resources/read', resource: { uri: 'demo://resource/dynamic/text/13' } },
	});
	for (const [method, params] of [
		['resources/read', {}],
		['resources/subscribe', { uri: 7 }],
		['resources/read', { uri: 'x'.repeat(10_000) }],
		['prompts/get', { name: 'args-prompt', arguments: [] }],
		['completion/complete', { ref: { type: 'ref/x' }, argument: {} }],
		['completion/complete', { ref: { type: 'ref/prompt', name: 'x' } }],
		['prompts/list', { cursor: 'x' }],
	] as const) {
		t.match((await agent.request(method, params as never))['error'], { code: -32602 }, `${method} ${JSON.stringify(params).slice(0, 60)}`);
	}
	t.match((await agent.request('tasks/list'))['error'], { code: -32601 });
});

t.test('the default policy grants nothing but tools', async (t) => {
	const { mcpUrl } = await build(t, { upstreams: { stripe: { url: (await everythingOverHttp(t)).url } } });
	const agent = await openAgent(mcpUrl);
	for (const [method, member] of [
		['resources/list', 'resources'],
		['resources/templates/list', 'resourceTemplates'],
		['prompts/list', 'prompts'],
	] as const) {
		t.strictSame((await agent.request(method))['result'], { [member]: [] });
	}
	t.match((await agent.request('resources/read', { uri: `${DOCUMENTS}features.md` }))['error'], { code: -32002 });
	t.match((await agent.request('prompts/get', { name: 'simple-prompt' }))['error'], { code: -32602 });
});

t.test('a prompt waits for a person as a tool call does; what goes up is the sent form', async (t) => {
	const { mcpUrl, api, traces } = await gatewayBefore(t);
	const agent = await openAgent(mcpUrl);
	const asking = agent.request('prompts/get', { name: 'args-prompt', arguments: { city: '078-05-1120' } });
	let open: { id: string; tool: string }[] = [];
	while (open.length === 0) {
		await turn();
		open = (await api<{ approvals: { id: string; tool: string }[] }>('GET', '/api/approvals?state=pending')).json.approvals;
	}
	t.match(open, [{ tool: 'prompts/get args-prompt', arguments: { city: '[us-ssn masked]' } }]);
	t.equal((await api('POST', `/api/approvals/${open[0]!.id}/approve`, {})).status, 200);
	t.match(JSON.stringify((await asking)['result']), /us-ssn masked/);
	t.strictSame(await traces(), ['prompts/get args-prompt → approvalRequired → approved → ok']);
});

t.test('several upstreams: prompts and URIs say whose they are, everywhere', async (t) => {
	const { mcpUrl } = await gatewayBefore(t, ['one', 'two']);
	const client = new ClientV1({ name: 'v1', version: '1' }, { capabilities });
	await client.connect(new TransportV1(new URL(mcpUrl)) as never);
	t.teardown(() => client.close());
	t.match(client.getServerVersion(), { name: 'toolgate' });
	const uri = `toolgate+two:${DOCUMENTS}features.md`;
	const { resources } = await client.listResources();
	t.ok(resources.some((resource) => resource.uri === uri));
	t.notOk(
		resources.some((resource) => resource.uri.includes('architecture.md')),
		'the rule means the own URI',
	);
	t.match(await client.readResource({ uri }), { contents: [{ uri, text: /\w/ }] });
	await t.rejects(client.readResource({ uri: `${DOCUMENTS}features.md` }), { code: -32002 });
	await t.rejects(client.readResource({ uri: `toolgate+three:${DOCUMENTS}features.md` }), { code: -32002 });
	t.match(await client.getPrompt({ name: 'two__completable-prompt', arguments: { department: 'Sales', name: 'Eve' } }), {
		messages: [{ content: { text: /Eve/ } }],
	});
	t.match(await client.getPrompt({ name: 'one__resource-prompt', arguments: { resourceType: 'Text', resourceId: '1' } }), {
		messages: [{}, { content: { resource: { uri: 'toolgate+one:demo://resource/dynamic/text/1' } } }],
	});
	t.match(
		await client.complete({ ref: { type: 'ref/prompt', name: 'two__completable-prompt' }, argument: { name: 'department', value: 'E' } }),
		{ completion: { values: ['Engineering'] } },
	);
	t.match(
		await client.complete({
			ref: { type: 'ref/resource', uri: 'toolgate+two:demo://resource/dynamic/text/{resourceId}' },
			argument: { name: 'resourceId', value: '3' },
		}),
		{ completion: { values: ['3'] } },
	);
	t.match(await client.callTool({ name: 'two__get-resource-links', arguments: { count: 1 } }), {
		content: [{}, { type: 'resource_link', uri: /^toolgate\+two:demo:/ }],
	});
	t.match(await client.callTool({ name: 'one__get-resource-reference', arguments: { resourceType: 'Text', resourceId: 1 } }), {
		content: [{}, { resource: { uri: /^toolgate\+one:demo:/ } }, {}],
	});

	const updated = Promise.withResolvers<string>();
	client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.resolve(params.uri));
	await client.subscribeResource({ uri });
	await client.callTool({ name: 'two__toggle-subscriber-updates', arguments: {} });
	t.equal(await updated.promise, uri);
});
