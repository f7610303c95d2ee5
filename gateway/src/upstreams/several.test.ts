import type { ServerResponse } from 'node:http';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { json, rawMcpServer } from '../../test/raw-mcp-server.ts';
import { sdkMcpServer } from '../../test/sdk-mcp-server.ts';
import { Breaker } from './breaker.ts';
import type { UpstreamAnswer, UpstreamCall } from './upstream-call.ts';
import { Upstreams, type UpstreamSettings } from './upstreams.ts';

const AGENT = { protocolVersion: '2025-11-25', clientInfo: { name: 'agent', version: '7' }, capabilities: {} };

function echo(): McpServer {
	const server = new McpServer({ name: 'echo', version: '1' });
	server.registerTool('where', { inputSchema: { x: z.string().optional() } }, (_, { sessionId }) => ({
		content: [{ type: 'text', text: String(sessionId) }],
	}));
	return server;
}

const at = (url: string): UpstreamSettings => ({ url, headers: {}, timeoutMs: 5_000, era: 'legacy' });

function connect(t: Test, settings: Record<string, UpstreamSettings>) {
	const upstreams = new Upstreams(settings, { maxResultBytes: 100_000, version: '0', onStale: () => {} });
	t.teardown(() => upstreams.close(0));
	const call = (upstream: string, more: Partial<UpstreamCall> = {}) =>
		upstreams.call({
			upstream,
			sessionId: 's',
			message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'where', arguments: {} } },
			downstream: { notify: () => {}, cancelled: new AbortController().signal },
			...more,
		});
	return { upstreams, call };
}

t.test('upstreams come, go and change; what stays keeps its sessions, and what goes lets its calls end', async (t) => {
	const [stays, comes] = [await sdkMcpServer(t, echo), await sdkMcpServer(t, echo)];
	let running: { id: number; response: ServerResponse } | undefined;
	const goes = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => void (running = { id: message['id'] as number, response }),
	});
	const { upstreams, call } = connect(t, { stays: at(stays.url), goes: at(goes.url) });
	await upstreams.openSession('s', AGENT);
	const before = await call('stays');
	const last = call('goes');
	while (running === undefined) await turn();

	t.strictSame(upstreams.configure({ stays: at(stays.url), comes: at(comes.url) }), ['comes']);
	t.strictSame([upstreams.has('comes'), upstreams.has('goes')], [true, false]);
	t.match(await call('goes'), { kind: 'not_sent', why: 'there is no upstream goes' });
	t.equal(textOf(await call('stays')), textOf(before), 'the same session');
	t.match(await call('comes'), { kind: 'answered' });
	t.strictSame(await call('comes').then(textOf), await call('comes').then(textOf), 'the agent session has a session there too');
	json(running.response, 200, { jsonrpc: '2.0', id: running.id, result: { content: [] } });
	t.match(await last, { kind: 'answered' });
	await goes.seen(({ httpMethod }) => httpMethod === 'DELETE');

	const sessions = [...stays.sessions.keys()];
	t.throws(() => upstreams.configure({ stays: { ...at(stays.url), headers: { Host: 'x' } } }), { code: 'CONFIG' });
	t.match(await call('comes'), { kind: 'answered' }, 'a configuration that can not be used changes nothing');
	t.strictSame(upstreams.configure({ comes: at(comes.url), stays: { ...at(stays.url), timeoutMs: 4_000 } }), ['stays']);
	t.match(await call('stays'), { kind: 'answered' });
	t.notSame([...stays.sessions.keys()], sessions, 'what is configured in another way is met anew');
	await upstreams.closeSession('s');
});

t.test('one that is dead is answered for at once, and seen as soon as it is back', async (t) => {
	const server = await sdkMcpServer(t, echo);
	const { call, upstreams } = connect(t, { dead: at(server.url) });
	await server.kill();
	for (let n = 0; n < 5; n++) t.match(await call('dead'), { kind: 'not_sent', why: 'connection refused' });
	t.match(await call('dead'), { kind: 'not_sent', why: /^connection refused; tried again in \d+ ms$/ });
	await server.revive();
	while ((await call('dead')).kind !== 'answered') await delay(20);
	await server.kill();
	for (let n = 0; n < 6; n++) await call('dead');
	t.match(await call('dead'), { why: /tried again/ });
	await server.revive();
	await upstreams.all[0]!.initializeResult();
	t.match(await call('dead'), { kind: 'answered' }, "the gateway's own look closes the breaker too");
});

t.test('calls of no session share an upstream session per principal, and with nobody else', async (t) => {
	const server = await sdkMcpServer(t, echo);
	const { call } = connect(t, { shop: at(server.url) });
	const of = async (principalId: string) => textOf(await call('shop', { sessionId: undefined as never, principalId }));
	const [alice, bob, own] = [await of('alice'), await of('bob'), textOf(await call('shop', { sessionId: undefined as never }))];
	t.equal(await of('alice'), alice);
	t.equal(new Set([alice, bob, own]).size, 3);
	t.equal(server.sessions.size, 3);
});

function textOf(answer: UpstreamAnswer): string {
	return answer.kind === 'answered' ? JSON.stringify(answer.message['result']) : answer.kind;
}

t.test('the breaker opens after failures in turn, lets one through to see, and waits longer each time', (t) => {
	let nowMs = 0;
	const breaker = new Breaker(() => nowMs);
	const dead: UpstreamAnswer = { kind: 'not_sent', why: 'no route', isUnreachable: true };
	const alive: UpstreamAnswer = { kind: 'answered', message: {}, bytes: 0 };
	const fail = () => (t.equal(breaker.refuses(), undefined), breaker.record(dead));
	for (let n = 0; n < 4; n++) fail();
	breaker.record(alive);
	for (let n = 0; n < 4; n++) fail();
	breaker.record({ kind: 'broken', why: 'it fell over' });
	t.equal(breaker.refuses(), undefined, 'only what reached nobody counts');
	fail();
	for (const pauseMs of [500, 1_000, 2_000, 4_000, 4_000]) {
		t.match(breaker.refuses(), `no route; tried again in ${pauseMs} ms`);
		nowMs += pauseMs;
		t.equal(breaker.refuses(), undefined);
		t.equal(breaker.refuses(), 'no route; being tried now');
		breaker.record(dead);
	}
	nowMs += 4_000;
	t.equal(breaker.refuses(), undefined);
	breaker.record({ kind: 'not_sent', why: 'the agent cancelled the call' });
	t.equal(breaker.refuses(), undefined, 'a trial that came to nothing is followed by another');
	breaker.record(alive);
	t.equal(breaker.refuses(), undefined);
	t.end();
});
