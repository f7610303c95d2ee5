import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/server';
import t, { type Test } from 'tap';
import { z } from 'zod';
import type { JsonObject } from '../src/domain.ts';
import { build, type Built, OPERATOR_TOKEN } from './build.ts';
import { modernMcpServer } from './modern-mcp-server.ts';
import { json, rawMcpServer } from './raw-mcp-server.ts';
import { routesOf } from './routes-of.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { scriptedCommand } from './scripted-command.ts';
import { until } from './until.ts';

/** There is no way around the gate: what reaches an upstream was decided and recorded before, over whichever route and transport. */

/** What an upstream does for an agent. Each has an intent of its own. */
const DECIDED = ['tools/call', 'resources/read', 'resources/subscribe', 'prompts/get', 'completion/complete'];
/** What the gateway asks for itself, or passes on because it changes nothing but what is heard. */
const UNDECIDED = [
	'initialize',
	'notifications/initialized',
	'server/discover',
	'ping',
	'tools/list',
	'resources/list',
	'resources/templates/list',
	'prompts/list',
	'logging/setLevel',
	'resources/unsubscribe',
	'subscriptions/listen',
	'notifications/cancelled',
	'notifications/roots/list_changed',
];

const RESULTS: Readonly<Record<string, JsonObject>> = {
	'tools/list': { tools: [{ name: 'act', inputSchema: { type: 'object' } }] },
	'resources/list': { resources: [{ uri: 'note://one', name: 'one' }] },
	'resources/templates/list': { resourceTemplates: [] },
	'prompts/list': { prompts: [{ name: 'greet' }] },
	'tools/call': { content: [] },
	'resources/read': { contents: [] },
	'prompts/get': { messages: [] },
	'completion/complete': { completion: { values: [] } },
	'resources/subscribe': {},
	'resources/unsubscribe': {},
	'logging/setLevel': {},
	ping: {},
};
const CAPABILITIES = { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} };

interface Upstreams {
	readonly config: Readonly<Record<string, object>>;
	/** What each was sent since the gateway was built, by name. */
	received(): Record<string, JsonObject[]>;
	/** Looks at the trail whenever something arrives over HTTP. */
	onArrival?: (method: string) => Promise<void>;
}

/** One upstream per transport: HTTP of both eras, and a child process. */
async function everyTransport(t: Test): Promise<Upstreams> {
	const answer = (method: string) => async (message: JsonObject) => {
		await made.onArrival?.(method);
		return { jsonrpc: '2.0', id: message['id']!, result: RESULTS[method]! };
	};
	const http = await rawMcpServer(t, {
		...Object.fromEntries(
			Object.keys(RESULTS).map((method) => [
				method,
				({ message }, response) => void answer(method)(message).then((body) => json(response, 200, body)),
			]),
		),
		initialize: ({ message }, response) =>
			json(
				response,
				200,
				{
					jsonrpc: '2.0',
					id: message['id']!,
					result: { protocolVersion: '2025-06-18', capabilities: CAPABILITIES, serverInfo: { name: 'h', version: '1' } },
				},
				{ 'mcp-session-id': 's1' },
			),
	});
	const modern = await modernMcpServer(t, () => {
		const server = new McpServer({ name: 'm', version: '1' }, { capabilities: { resources: { subscribe: true } } });
		server.registerTool('act', { inputSchema: z.object({}) }, async () => ({ content: [] }));
		server.registerResource('one', 'note://one', {}, async () => ({ contents: [] }));
		server.registerPrompt('greet', {}, () => ({ messages: [] }));
		return server;
	});
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-received-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const file = join(folder, 'lines');
	const stdio = scriptedCommand(
		[
			...Object.entries(RESULTS).map(
				([method, result]) => `${JSON.stringify(method)}: ({ id }) => say({ id, result: ${JSON.stringify(result)} })`,
			),
			`initialize: ({ id }) => say({ id, result: { ...result, capabilities: ${JSON.stringify(CAPABILITIES)} } })`,
		].join(),
		`require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => require('node:fs').appendFileSync(${JSON.stringify(file)}, line + '\\n'));`,
	);
	const parsed = (texts: string[]) => texts.filter((text) => text !== '').map((text) => JSON.parse(text) as JsonObject);
	const made: Upstreams = {
		config: { http: { url: http.url }, modern: { url: modern.url }, stdio },
		received: () => ({
			http: http.received.map(({ message }) => message).filter((message) => 'method' in message),
			modern: parsed(modern.requests.map(({ body }) => body)),
			stdio: parsed(readFileSync(file, 'utf8').split('\n')),
		}),
	};
	return made;
}

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
const NAMED: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

/** Every method that there is, and some that there are not, with what each would act on at `upstream`. */
function everyMessage(upstream: string): JsonObject[] {
	const [name, greet, uri] = [`${upstream}__act`, `${upstream}__greet`, `${upstream}+note://one`];
	const methods: [string, JsonObject][] = [
		['ping', {}],
		['server/discover', {}],
		['tools/list', {}],
		['resources/list', {}],
		['resources/templates/list', {}],
		['prompts/list', {}],
		['tools/call', { name, arguments: {} }],
		['resources/read', { uri }],
		['resources/subscribe', { uri }],
		['resources/unsubscribe', { uri }],
		['prompts/get', { name: greet }],
		['completion/complete', { ref: { type: 'ref/prompt', name: greet }, argument: { name: 'a', value: 'b' } }],
		['logging/setLevel', { level: 'debug' }],
		['tasks/list', {}],
		['tasks/result', { taskId: 'x' }],
		['tools/execute', { name, arguments: {} }],
		['Tools/Call', { name, arguments: {} }],
		['tools/call ', { name, arguments: {} }],
		['sampling/createMessage', { messages: [], maxTokens: 1 }],
		['elicitation/create', { message: 'x', requestedSchema: { type: 'object', properties: {} } }],
		['roots/list', {}],
	];
	const notifications: [string, JsonObject][] = [
		['notifications/initialized', {}],
		['notifications/cancelled', { requestId: 1 }],
		['notifications/progress', { progressToken: 1, progress: 1 }],
		['notifications/roots/list_changed', {}],
		['notifications/message', { level: 'info', data: 'x' }],
		['tools/call', { name, arguments: {} }],
		['resources/read', { uri }],
	];
	return [
		...methods.map(([method, params], id) => ({ jsonrpc: '2.0', id, method, params })),
		...notifications.map(([method, params]) => ({ jsonrpc: '2.0', method, params })),
		{ jsonrpc: '2.0', id: 99, result: { content: [] } },
	];
}

async function send(url: string, body: JsonObject, headers: Readonly<Record<string, string>>): Promise<Response> {
	const response = await fetch(url, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: JSON.stringify(body),
	});
	await response.arrayBuffer();
	return response;
}

/** Everything that one agent can say at one address, in both eras. */
async function sayEverything(url: string, upstream: string): Promise<void> {
	const params = { protocolVersion: '2025-06-18', capabilities: { roots: { listChanged: true } }, clientInfo: { name: 'x', version: '1' } };
	const opened = await send(url, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, {});
	const session = { 'mcp-session-id': opened.headers.get('mcp-session-id')! };
	const asModern = (message: JsonObject) => {
		const { method } = message;
		const params: JsonObject = { ...((message['params'] ?? {}) as JsonObject), _meta: META };
		const named = params[NAMED[String(method)] ?? ''];
		return send(
			url,
			{ ...message, params },
			{
				'mcp-protocol-version': '2026-07-28',
				...(method === undefined ? {} : { 'mcp-method': String(method) }),
				...(typeof named === 'string' ? { 'mcp-name': named } : {}),
			},
		);
	};
	await Promise.all(everyMessage(upstream).map((message) => send(url, message, session)));
	await Promise.all(everyMessage(upstream).map(asModern));
	const stream = await fetch(url, { headers: { ...session, accept: 'text/event-stream' } });
	await stream.body?.cancel();
	await fetch(url, { method: 'DELETE', headers: session });
}

const intentsOf = async (gateway: Built, server?: string): Promise<number> => {
	const [row] = await gateway.sql.query<{ count: string }>(
		`SELECT count(*)::text AS count FROM events WHERE kind = 'intent'${server === undefined ? '' : ' AND server = $1'}`,
		server === undefined ? [] : [server],
	);
	return Number(row!.count);
};

t.test(
	'attack 26: whatever is said on whatever route, an upstream hears nothing but what was decided and recorded before',
	{ timeout: 120_000 },
	async (t) => {
		const upstreams = await everyTransport(t);
		const gateway = await build(t, {
			lark: 'ignore',
			config: { upstreams: upstreams.config, policy: { bundle: await rulesBundle(t, ALLOW_ALL) } },
		});
		const { mcpUrl, peopleUrl } = gateway;
		t.same(
			[...new Set(routesOf(gateway.gateway.agents).map(({ path }) => path))].sort(),
			['/healthz', '/lark/actions', '/mcp', '/mcp/x'],
			'a new route has to be looked at here',
		);

		let arrived = 0;
		upstreams.onArrival = async (method) => {
			if (!DECIDED.includes(method)) return;
			arrived += 1;
			t.ok((await intentsOf(gateway, 'http')) >= arrived, `${method}: its intent stands in the database when it arrives`);
		};
		for (const upstream of Object.keys(upstreams.config)) {
			await sayEverything(mcpUrl, upstream);
			await sayEverything(`${mcpUrl}/${upstream}`, upstream);
		}
		const before = await intentsOf(gateway);
		for (const { method, path } of [...routesOf(gateway.gateway.people), ...routesOf(gateway.gateway.agents)]) {
			if (path.startsWith('/mcp')) continue;
			const address = (path.startsWith('/lark') || path === '/healthz' ? mcpUrl.slice(0, -'/mcp'.length) : peopleUrl) + path;
			const isGet = method === 'GET' || method === 'HEAD';
			const response = await fetch(address, {
				method,
				headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...(isGet ? {} : { 'content-type': 'application/json' }) },
				...(isGet ? {} : { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'http__act' } }) }),
			});
			await response.body?.cancel();
		}
		t.equal(await intentsOf(gateway), before, 'no other route leads to an upstream');

		const events = await gateway.events('&kind=intent');
		for (const [upstream, messages] of Object.entries(upstreams.received())) {
			const methods = messages.map(({ method }) => String(method));
			t.same(
				[...new Set(methods)].filter((method) => ![...DECIDED, ...UNDECIDED].includes(method)),
				[],
				`${upstream}: nothing else arrives`,
			);
			const decided = methods.filter((method) => DECIDED.includes(method));
			t.ok(decided.length >= 8, `${upstream}: ${decided.length} decided requests arrived`);
			const intents = events.filter(({ server }) => server === upstream);
			// A modern upstream is not asked for a subscription, but listened to.
			const unheard = upstream === 'modern' ? intents.filter(({ tool }) => tool?.startsWith('resources/subscribe')).length : 0;
			t.equal(intents.length - unheard, decided.length, `${upstream}: as many intents as arrivals`);
			for (const { decisionId, revision, intentId } of intents) t.ok(decisionId && revision && intentId);
		}
		t.equal(new Set(events.map(({ decisionId }) => decisionId)).size, events.length, 'a decision each');
		await until('the outcomes', async () => (await gateway.events('&kind=outcome')).length === events.length);
		t.same(gateway.faults, []);
	},
);
