import { isDeepStrictEqual } from 'node:util';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import t, { type Test } from 'tap';
import { loadConfig } from '../src/config.ts';
import type { JsonObject } from '../src/domain.ts';
import { SqlSessionStore } from '../src/mcp/legacy/session-store.ts';
import { openAgent, post } from './agent.ts';
import { build, type BuildOptions } from './build.ts';
import { everythingOverHttp } from './npm-servers.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { type SdkMcpServer, sdkMcpServer } from './sdk-mcp-server.ts';
import { eachStore, embedded, type FreshDatabase } from './stores.ts';
import { until } from './until.ts';

const bundle = rulesBundle(t, ALLOW_ALL);

async function optionsFor(database: FreshDatabase, { url }: SdkMcpServer): Promise<BuildOptions> {
	return { database, upstreams: { every: { url } }, config: { policy: { bundle: await bundle } } };
}

const call = (id: number, message: string): JsonObject => ({
	jsonrpc: '2.0',
	id,
	method: 'tools/call',
	params: { name: 'echo', arguments: { message } },
});

t.test('a session goes on after a restart and on another replica, for its principal only, until it ends on any of them', (t) =>
	eachStore(t, async (t, database) => {
		const server = await everythingOverHttp(t);
		const options = await optionsFor(database, server);
		const before = await build(t, options);
		const { sessionId } = await openAgent(before.mcpUrl);
		const headers = { 'mcp-session-id': sessionId };
		t.match((await post(before.mcpUrl, call(1, 'one'), headers)).text, /Echo: one/);
		await before.close();

		server.loseSessions();
		const after = await build(t, options);
		const replica = await build(t, options);
		const both = await Promise.all([post(after.mcpUrl, call(2, 'two'), headers), post(after.mcpUrl, call(3, 'three'), headers)]);
		t.match(
			both.map(({ text }) => text),
			[/Echo: two/, /Echo: three/],
			'also by two at once',
		);
		t.match((await post(replica.mcpUrl, call(4, 'four'), headers)).text, /Echo: four/);
		t.match(
			(await after.events()).filter(({ kind }) => kind === 'intent').map(({ session }) => session),
			Array.from({ length: 4 }, () => sessionId),
			'one session in the trail',
		);

		t.equal(
			(await post(replica.mcpUrl, call(5, 'no'), { ...headers, 'x-toolgate-principal': 'mallory@example.com' })).status,
			404,
			"another principal's",
		);
		t.equal((await post(`${replica.mcpUrl}/every`, call(5, 'no'), headers)).status, 404, "another path's");
		t.equal((await fetch(after.mcpUrl, { method: 'DELETE', headers })).status, 204);
		await until('the replica to hear of it', async () =>
			(await post(replica.mcpUrl, call(6, 'no'), headers)).status === 404 ? true : undefined,
		);
		t.equal((await post(after.mcpUrl, call(7, 'no'), headers)).status, 404);
	}),
);

/** An agent that reads the stream of its session; `heard` are the messages on it so far. */
async function standing(t: Test, url: string, headers: Readonly<Record<string, string>>): Promise<{ heard: JsonObject[] }> {
	const leaving = new AbortController();
	t.teardown(() => leaving.abort());
	const response = await fetch(url, { headers: { ...headers, accept: 'text/event-stream' }, signal: leaving.signal });
	t.equal(response.status, 200);
	const heard: JsonObject[] = [];
	void (async () => {
		let rest = '';
		for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
			const blocks = `${rest}${chunk}`.split('\n\n');
			rest = blocks.pop()!;
			for (const block of blocks) {
				const data = /^data: (.+)$/m.exec(block)?.[1];
				if (data !== undefined) heard.push(JSON.parse(data) as JsonObject);
			}
		}
	})().catch(() => {});
	return { heard };
}

/** A server that logs, and whose resource changes when the test says so: to whom has asked it, and only then. */
async function newsServer(t: Test) {
	const subscribed = new WeakMap<McpServer, Set<string>>();
	const served = await sdkMcpServer(t, () => {
		const server = new McpServer({ name: 'news', version: '1' }, { capabilities: { logging: {}, resources: { subscribe: true } } });
		const uris = new Set<string>();
		subscribed.set(server, uris);
		server.registerResource('paper', 'news://paper', {}, async (uri) => ({ contents: [{ uri: uri.href, text: 'news' }] }));
		server.server.setRequestHandler(SubscribeRequestSchema, async ({ params }) => (uris.add(params.uri), {}));
		server.server.setRequestHandler(UnsubscribeRequestSchema, async ({ params }) => (uris.delete(params.uri), {}));
		return server;
	});
	return {
		...served,
		subscriptions: () => [...served.sessions.values()].flatMap((server) => [...(subscribed.get(server) ?? [])]),
		levels: () => served.requests.flatMap(({ body }) => /"level":"(\w+)"/.exec(body)?.[1] ?? []),
		async publish() {
			for (const [id, server] of served.sessions) {
				await server.sendLoggingMessage({ level: 'info', data: 'unwanted' }, id);
				await server.sendLoggingMessage({ level: 'error', data: 'wanted' }, id);
				if (subscribed.get(server)?.has('news://paper')) await server.server.sendResourceUpdated({ uri: 'news://paper' });
			}
		},
	};
}

const UPDATED = { method: 'notifications/resources/updated', params: { uri: 'news://paper' } };

t.test('[mcp.kept-wishes] subscriptions and the log level outlive the gateway, and an upstream that forgot the session', async (t) => {
	const news = await newsServer(t);
	const options: BuildOptions = {
		database: embedded(t),
		upstreams: { news: { url: news.url } },
		config: { policy: { bundle: await bundle } },
	};
	const before = await build(t, options);
	const agent = await openAgent(before.mcpUrl);
	const headers = { 'mcp-session-id': agent.sessionId };
	await agent.request('logging/setLevel', { level: 'warning' });
	for (const uri of ['news://paper', 'news://other', 'news://\u0000odd']) await agent.request('resources/subscribe', { uri });
	await agent.request('resources/unsubscribe', { uri: 'news://other' });
	t.strictSame(news.subscriptions(), ['news://paper'], 'what is not there can not be subscribed to');
	await before.close();
	news.loseSessions();

	const after = await build(t, options);
	const { heard } = await standing(t, after.mcpUrl, headers);
	const hears = (what: object) =>
		until(`to hear ${JSON.stringify(what)}`, async () => {
			await news.publish();
			return heard.some((message) => isDeepStrictEqual({ method: message['method'], params: message['params'] }, what));
		});
	await until('the upstream to be asked again', () => news.subscriptions().length > 0);
	await hears(UPDATED);
	await hears({ method: 'notifications/message', params: { level: 'error', data: 'wanted' } });
	t.notMatch(JSON.stringify(heard), /unwanted/);
	t.strictSame(news.subscriptions(), ['news://paper']);
	t.strictSame([...new Set(news.levels())], ['warning']);
	t.equal(
		(await after.traces()).filter((trace) => trace.startsWith('resources/subscribe news://paper')).length,
		1,
		'nothing was asked for twice',
	);

	heard.length = 0;
	await news.kill();
	await news.revive();
	await until('the upstream to be asked once more, though no call comes', () => news.subscriptions().length > 0);
	await hears(UPDATED);

	t.match(
		await agent.request('resources/unsubscribe', { uri: 'news://paper' }).catch(() => 'the agent knows the old address'),
		/old address/,
	);
	await post(after.mcpUrl, { jsonrpc: '2.0', id: 9, method: 'resources/unsubscribe', params: { uri: 'news://paper' } }, headers);
	t.strictSame(news.subscriptions(), []);
	await after.close();
	const last = await build(t, options);
	t.match(
		(await post(last.mcpUrl, { jsonrpc: '2.0', id: 10, method: 'resources/read', params: { uri: 'news://paper' } }, headers)).text,
		/news/,
	);
	t.strictSame(news.subscriptions(), [], 'what was given up is not asked for again');
});

t.test('[mcp.kept-wishes] an upstream that is reached in another way now is asked again for what sessions wanted', async (t) => {
	const [first, second] = [await newsServer(t), await newsServer(t)];
	const built = await build(t, { upstreams: { news: { url: first.url } }, config: { policy: { bundle: await bundle } } });
	const agent = await openAgent(built.mcpUrl);
	await agent.request('resources/subscribe', { uri: 'news://paper' });
	t.strictSame(first.subscriptions(), ['news://paper']);
	const { upstreams } = loadConfig(built.configFile, {}).config;
	await built.gateway.configureUpstreams({ news: { ...upstreams['news']!, url: second.url } as never });
	await until('the other one to be asked', () => second.subscriptions().includes('news://paper'));
});

t.test('lifetimes and the cap per principal hold in the store', (t) =>
	eachStore(t, async (t, database) => {
		const sql = await database.open();
		const store = new SqlSessionStore(sql, { idleMs: 60_000, ageMs: 600_000 });
		const session = (id: string, principalId = 'alice') => ({
			id,
			principalId,
			upstream: undefined,
			params: { protocolVersion: '2025-11-25', clientInfo: { name: 'a\u0000b' } },
			offers: { tools: {} },
		});
		const ended: string[] = [];
		t.teardown(await store.onEnd((id) => ended.push(id)));
		for (const id of ['a1', 'a2', 'a3']) await store.add(session(id), 2);
		await store.add(session('b1', 'bob'), 2);
		t.match(
			await Promise.all(['a1', 'a2', 'a3'].map((id) => store.find(id, 'alice', undefined))),
			[undefined, { params: { clientInfo: { name: 'a\u0000b' } }, offers: { tools: {} } }, { id: 'a3' }],
			'the longest unused made room',
		);
		await until('its end to be told', async () => (ended.includes('a1') ? true : undefined));
		t.equal(await store.find('a2', 'bob', undefined), undefined);
		await store.setLogLevel('a2', 'error');
		for (const uri of ['x:b', 'x:a\u0000"', 'x:b', 'x:c']) await store.addSubscription('a2', uri);
		await store.removeSubscription('a2', 'x:c');
		t.strictSame((await store.find('a2', 'alice', undefined))?.wishes, { logLevel: 'error', subscriptions: ['x:b', 'x:a\u0000"'] });
		t.strictSame((await store.find('a3', 'alice', undefined))?.wishes, { subscriptions: [] });
		t.equal(await store.find('a2', 'alice', 'one'), undefined);

		await sql.query(`UPDATE agent_sessions SET used_at = used_at - interval '61 seconds' WHERE id IN ('a2', 'a3')`, []);
		t.equal(await store.find('a2', 'alice', undefined), undefined, 'unused for too long');
		await store.used(['a3']);
		t.ok(await store.find('a3', 'alice', undefined));
		await sql.query(`UPDATE agent_sessions SET created_at = created_at - interval '601 seconds' WHERE id = 'a3'`, []);
		t.equal(await store.find('a3', 'alice', undefined), undefined, 'too old');
		await store.prune();
		t.same(
			(await sql.query('SELECT id FROM agent_sessions', [])).map(({ id }) => id),
			['b1'],
		);
		await store.add({ ...session('big', 'carol'), params: { clientInfo: { name: 'x'.repeat(70_000) } } }, 2);
		t.equal(await store.find('big', 'carol', undefined), undefined, 'an agent that says too much of itself is not kept');
	}),
);
