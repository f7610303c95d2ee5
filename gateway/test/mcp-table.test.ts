import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { JsonObject } from '../src/domain.ts';
import { build, type Built, root } from './build.ts';
import { json, type RawMcpServer, rawMcpServer } from './raw-mcp-server.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

/** Holds the table of methods in docs/mcp.md against the gateway. */

type Era = 'legacy' | 'modern';

/** Each method with what the page says of it, per era: the first word counts. */
function table(): { method: string; says: Record<Era, string> }[] {
	const page = readFileSync(join(root, 'docs/mcp.md'), 'utf8');
	const [rows = ''] = /\| method \| legacy[^]*?\n\n/.exec(page) ?? [];
	return rows.split('\n').flatMap((row) => {
		const [, methods = '', legacy = '', modern = ''] = row.split('|').map((cell) => cell.trim());
		if (!methods.startsWith('`')) return [];
		return [...methods.matchAll(/`([\w/]+)`/g)].map(([, method]) => ({ method: method!, says: { legacy, modern } }));
	});
}

const PARAMS: Readonly<Record<string, JsonObject>> = {
	initialize: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
	'tools/call': { name: 'go', arguments: {} },
	'resources/read': { uri: 'x:1' },
	'resources/subscribe': { uri: 'x:1' },
	'resources/unsubscribe': { uri: 'x:1' },
	'prompts/get': { name: 'p' },
	'completion/complete': { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } },
	'subscriptions/listen': { notifications: { toolsListChanged: true } },
	'logging/setLevel': { level: 'error' },
	'notifications/cancelled': { requestId: 'hanging' },
};

/** An upstream of the legacy era that has one of everything; a call of `hang` it never answers. */
async function upstream(t: Test): Promise<RawMcpServer> {
	const capabilities = { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} };
	const results: Record<string, (params: JsonObject) => JsonObject | undefined> = {
		initialize: () => ({ protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'x', version: '1' } }),
		'tools/list': () => ({ tools: ['go', 'hang'].map((name) => ({ name, inputSchema: { type: 'object' } })) }),
		'tools/call': ({ name }) => (name === 'hang' ? undefined : { content: [] }),
		'resources/list': () => ({ resources: [{ uri: 'x:1', name: 'one' }] }),
		'resources/templates/list': () => ({ resourceTemplates: [] }),
		'resources/read': () => ({ contents: [] }),
		'prompts/list': () => ({ prompts: [{ name: 'p' }] }),
		'prompts/get': () => ({ messages: [] }),
		'completion/complete': () => ({ completion: { values: [] } }),
		'resources/subscribe': () => ({}),
		'resources/unsubscribe': () => ({}),
		'logging/setLevel': () => ({}),
	};
	return rawMcpServer(
		t,
		Object.fromEntries(
			Object.entries(results).map(([method, resultOf]) => [
				method,
				({ message }, response) => {
					const result = resultOf(message['params'] as JsonObject);
					const headers: Record<string, string> = method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {};
					if (result !== undefined) json(response, 200, { jsonrpc: '2.0', id: message['id']!, result }, headers);
				},
			]),
		),
	);
}

interface Said {
	readonly status: number;
	readonly sessionId: string | null;
	/** Empty where the answer is a stream that goes on. */
	readonly message: JsonObject;
}

/** Sends one message as an agent of that era does. */
async function say({ mcpUrl }: Built, era: Era, method: string, params: JsonObject, sessionId?: string): Promise<Said> {
	const leaving = new AbortController();
	const isModern = era === 'modern';
	const name = params['name'] ?? params['uri'];
	const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
	const id = params['name'] === 'hang' ? 'hanging' : 1;
	const response = await fetch(mcpUrl, {
		method: 'POST',
		signal: leaving.signal,
		headers: {
			'content-type': 'application/json',
			...(method === 'subscriptions/listen' ? { accept: 'application/json, text/event-stream' } : {}),
			...(isModern ? { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method } : {}),
			...(isModern && typeof name === 'string' ? { 'mcp-name': name } : {}),
			...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
		},
		body: JSON.stringify({
			jsonrpc: '2.0',
			...(method.startsWith('notifications/') ? {} : { id }),
			method,
			params: isModern ? { ...params, _meta } : params,
		}),
	});
	const isStream = response.headers.get('content-type') === 'text/event-stream';
	const text = isStream ? '' : await response.text();
	if (isStream) leaving.abort();
	const message = (text === '' ? {} : JSON.parse(text)) as JsonObject;
	return { status: response.status, sessionId: response.headers.get('mcp-session-id'), message };
}

const bundle = rulesBundle(t, ALLOW_ALL);

for (const era of ['legacy', 'modern'] as const) {
	t.test(`each method does what docs/mcp.md says of it to a ${era} agent`, async (t) => {
		const server = await upstream(t);
		const built = await build(t, { upstreams: { one: { url: server.url } }, config: { policy: { bundle: await bundle } } });
		const rows = table();
		t.ok(rows.length > 15, `${rows.length} methods`);
		const sessionId = era === 'modern' ? undefined : ((await say(built, era, 'initialize', PARAMS['initialize']!)).sessionId ?? undefined);
		const received = (method: string) => server.received.filter(({ message }) => message['method'] === method).length;
		const decided = async () => (await built.events('&kind=intent')).map(({ input }) => input?.['method']);
		if (era === 'legacy') {
			void say(built, era, 'tools/call', { name: 'hang', arguments: {} }, sessionId).catch(() => {});
			await until('a call to hang', () => received('tools/call') > 0);
		}
		for (const { method, says } of [...rows, { method: 'tasks/list', says: { legacy: '`-32601`', modern: '404' } }]) {
			const [word = ''] = says[era].split(/[\s,;:]/);
			const before = received(method);
			const { status, message } = await say(built, era, method, PARAMS[method] ?? {}, sessionId);
			const what = `${method}: ${says[era].slice(0, 60)}`;
			switch (word) {
				case 'answered':
					t.match({ status, error: message['error'] }, { status: 200, error: undefined }, what);
					t.notOk((await decided()).includes(method), `${method} is not decided`);
					break;
				case 'decided':
					t.match({ status, result: message['result'] }, { status: 200, result: {} }, what);
					t.ok((await decided()).includes(method), `${method} is in the trail`);
					t.equal(received(method), before + 1, `${method} reaches the upstream`);
					break;
				case 'relayed':
					t.match(status, method.startsWith('notifications/') ? 202 : 200, what);
					await until(`${method} to reach the upstream`, () => received(method) > before);
					break;
				case 'accepted':
				case 'dropped':
					t.equal(status, 202, what);
					t.equal(received(method), before, `${method} reaches nobody`);
					break;
				case '404':
					t.match({ status, message }, { status: 404, message: { error: { code: -32601 } } }, what);
					break;
				case '`-32601`':
					t.match({ status, message }, { status: 200, message: { error: { code: -32601 } } }, what);
					break;
				default:
					t.fail(`the page says neither: ${what}`);
			}
		}
		t.strictSame(built.faults, []);
		// Or else the end of the gateway would wait for the call that hangs.
		await server.kill();
	});
}
