import t from 'tap';
import type { JsonObject } from '../src/domain.ts';
import { SqlSessionStore } from '../src/mcp/legacy/session-store.ts';
import { openAgent, post } from './agent.ts';
import { build, type BuildOptions } from './build.ts';
import { everythingOverHttp } from './npm-servers.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import type { SdkMcpServer } from './sdk-mcp-server.ts';
import { eachStore, type FreshDatabase } from './stores.ts';
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
