import type { ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import t, { type Test } from 'tap';
import { event, json, type RawMcpServer, rawMcpServer, stream } from '../../test/raw-mcp-server.ts';
import type { UpstreamAnswer } from './upstream-call.ts';
import type { JsonObject } from '../domain.ts';
import { Upstreams } from './upstreams.ts';

interface Caller {
	readonly notified: JsonObject[];
	readonly agent: AbortController;
	/** Opens the session, so that a call's time is the call's alone. */
	open(): Promise<unknown>;
	call(options?: { timeoutMs?: number; maxResultBytes?: number; meta?: JsonObject }): Promise<UpstreamAnswer>;
}

function callerOf(t: Test, url: string): Caller {
	const upstreams = new Upstreams(
		{ bad: { url, headers: {}, era: 'legacy', timeoutMs: 5_000 } },
		{ maxResultBytes: 100_000, version: '0', onStale: () => {} },
	);
	t.teardown(() => upstreams.close(0));
	const notified: JsonObject[] = [];
	const agent = new AbortController();
	return {
		notified,
		agent,
		open: () => upstreams.all[0]!.initializeResult(),
		call: ({ meta, ...rest } = {}) =>
			upstreams.call({
				upstream: 'bad',
				message: {
					jsonrpc: '2.0',
					id: 'agent-1',
					method: 'tools/call',
					params: { name: 'pay', arguments: { amount: 1 }, ...(meta === undefined ? {} : { _meta: meta }) },
				},
				downstream: { notify: (message) => notified.push(message), cancelled: agent.signal },
				...rest,
			}),
	};
}

type Respond = (response: ServerResponse, id: number) => void;

async function callAgainst(
	t: Test,
	respond: Respond,
	options?: Parameters<Caller['call']>[0],
): Promise<{ answer: UpstreamAnswer; server: RawMcpServer; caller: Caller }> {
	const server = await rawMcpServer(t, { 'tools/call': ({ message }, response) => respond(response, message['id'] as number) });
	const caller = callerOf(t, server.url);
	await caller.open();
	return { answer: await caller.call(options), server, caller };
}

const calls = (server: RawMcpServer) => server.received.filter(({ message }) => message['method'] === 'tools/call');
/** Of one upstream at once. */
const CONNECTIONS = 128;
const answerTo = (id: number): JsonObject => ({ jsonrpc: '2.0', id, result: { content: [] } });
const storm = (id: number): JsonObject => ({
	jsonrpc: '2.0',
	method: 'notifications/message',
	params: { level: 'info', data: 'x'.repeat(1000), id },
});
const head = { 'content-type': 'application/json', 'content-length': '500' };

t.test('what was provably not taken is not_sent', async (t) => {
	const cases: [string, Respond, RegExp][] = [
		['credentials refused', (response) => response.writeHead(401).end('no'), /credentials \(HTTP 401\)/],
		[
			'attack 8: a redirect that keeps the method',
			(response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
			/redirects \(HTTP 307\), which is not followed/,
		],
		['a flood limit', (response) => response.writeHead(429).end(), /HTTP 429/],
		['an endpoint of another kind', (response) => response.writeHead(405).end(), /HTTP 405/],
	];
	for (const [name, respond, why] of cases) {
		await t.test(name, async (t) => {
			const { answer, server } = await callAgainst(t, respond);
			t.match(answer, { kind: 'not_sent', why });
			t.equal(calls(server).length, 1, 'and it is not sent twice');
		});
	}
	await t.test('nobody listens', async (t) => {
		const server = await rawMcpServer(t, {});
		await server.kill();
		t.match(await callerOf(t, server.url).call(), { kind: 'not_sent', why: 'connection refused' });
		await server.revive();
	});
	await t.test('a host that is not known', async (t) => {
		t.match(await callerOf(t, 'http://nowhere.invalid/mcp').call(), { kind: 'not_sent', why: /its host name/ });
	});
	await t.test('an upstream that never answers initialize', async (t) => {
		const server = await rawMcpServer(t, { initialize: () => {} });
		t.match(await callerOf(t, server.url).call({ timeoutMs: 50 }), { kind: 'not_sent', why: 'no session within 50 ms' });
	});
	await t.test('a revision that the gateway does not speak', async (t) => {
		const server = await rawMcpServer(t, {
			initialize: ({ message }, response) =>
				json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { protocolVersion: '1999-01-01' } }),
		});
		t.match(await callerOf(t, server.url).call(), { kind: 'not_sent', why: /speaks MCP 1999-01-01/ });
	});
});

t.test('an answer that breaks off or can not be read is broken, and the call is never repeated', async (t) => {
	const cases: [string, Respond, RegExp][] = [
		['dies before the head', (response) => response.destroy(), /broke off/],
		[
			'dies between head and body',
			(response) => (response.writeHead(200, head).flushHeaders(), setImmediate(() => response.destroy())),
			/broke off/,
		],
		[
			'dies in the middle of the body',
			(response) => response.writeHead(200, head).write('{"jsonrpc":', () => response.destroy()),
			/broke off/,
		],
		['dies in the middle of a stream', (response) => stream(response).write('data: {"jsonrpc"', () => response.destroy()), /broke off/],
		['ends a stream without an answer', (response) => stream(response, ': hello\n\n').end(), /ended before the answer/],
		['answers another id', (response, id) => json(response, 200, answerTo(id + 1)), /a request that was not made/],
		[
			'answers the same id as text',
			(response, id) => json(response, 200, { ...answerTo(id), id: String(id) }),
			/a request that was not made/,
		],
		[
			'answers another id on a stream',
			(response, id) => stream(response, event(answerTo(id + 1)), event(answerTo(id))).end(),
			/a request that was not made/,
		],
		[
			'answers twice in one body',
			(response, id) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answerTo(id)).repeat(2)),
			/not JSON/,
		],
		[
			'answers with an array',
			(response, id) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify([answerTo(id)])),
			/not one JSON-RPC message/,
		],
		[
			'answers with a result and an error',
			(response, id) => json(response, 200, { ...answerTo(id), error: { code: 1, message: 'x' } }),
			/no single result/,
		],
		[
			'attack 13: answers with duplicate keys',
			(response, id) =>
				response.writeHead(200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${id},"result":{"a":1,"\\u0061":2}}`),
			/occurs twice/,
		],
		[
			'attack 14: answers with a number that can not be kept',
			(response, id) =>
				response.writeHead(200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${id},"result":{"a":9007199254740993}}`),
			/kept exactly/,
		],
		[
			'attack 14: answers with invalid UTF-8',
			(response, id) =>
				response
					.writeHead(200, { 'content-type': 'application/json' })
					.end(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"a":"\xff"}}`, 'latin1')),
			/UTF-8/,
		],
		[
			'answers with invalid UTF-8 on a stream',
			(response, id) => stream(response).end(Buffer.from(`data: {"jsonrpc":"2.0","id":${id},"result":{"a":"\xff"}}\n\n`, 'latin1')),
			/UTF-8/,
		],
		[
			'answers with a page',
			(response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hi'),
			/text\/html instead of JSON/,
		],
		['accepts and says nothing', (response) => response.writeHead(202).end(), /without an answer/],
		['fails', (response) => response.writeHead(502).end('<p>bad gateway'), /HTTP 502/],
		['attack 8: redirects as work that is done does', (response) => response.writeHead(303, { location: '/done' }).end(), /HTTP 303/],
	];
	for (const [name, respond, why] of cases) {
		await t.test(name, async (t) => {
			const { answer, server } = await callAgainst(t, respond);
			t.match(answer, { kind: 'broken', why });
			t.equal(calls(server).length, 1);
		});
	}
	const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
	const smuggled: [string, string][] = [
		['two framings', `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
		['two lengths', `${OK}content-length: 2\r\ncontent-length: 5\r\n\r\nhello`],
		['a folded header', `${OK}x-a: b\r\n transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}`],
		['a bare line feed', `${OK.replaceAll('\r\n', '\n')}content-length: 2\n\n{}`],
		['a second answer behind the first', `${OK}content-length: 2\r\n\r\n{}${OK}content-length: 2\r\n\r\n{}`],
	];
	for (const [name, answer] of smuggled) {
		await t.test(`attack 20: its answer has ${name}, and the next call is not misled`, async (t) => {
			const sockets = new Set<Socket>();
			let answers = 0;
			const tcp = createTcpServer((socket) => {
				sockets.add(socket);
				socket.on('error', () => {});
				socket.on('data', (chunk) => {
					const text = chunk.toString();
					const id = /"id":(\d+)/.exec(text)?.[1];
					const good = (body: string) => socket.write(`${OK}content-length: ${body.length}\r\n\r\n${body}`);
					if (text.includes('"initialize"'))
						good(JSON.stringify({ jsonrpc: '2.0', id: Number(id), result: { protocolVersion: '2025-11-25', capabilities: {} } }));
					else if (text.includes('"notifications/initialized"')) socket.write('HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n');
					else if (text.startsWith('GET')) socket.write('HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n');
					else if (answers++ === 0) socket.write(answer);
					else if (id !== undefined) good(JSON.stringify(answerTo(Number(id))));
				});
			});
			await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
			t.teardown(() => (sockets.forEach((socket) => socket.destroy()), tcp.close()));
			const caller = callerOf(t, `http://127.0.0.1:${(tcp.address() as AddressInfo).port}/`);
			await caller.open();
			t.match(await caller.call(), { kind: 'broken' });
			t.match(await caller.call(), { kind: 'answered', message: { result: { content: [] } } });
		});
	}
});

t.test('the first answer counts; nothing after it reaches the agent', async (t) => {
	const { answer, caller } = await callAgainst(t, (response, id) => {
		stream(
			response,
			event(storm(1)),
			event(answerTo(id)),
			event({ ...answerTo(id), result: { content: [], isError: true } }),
			event(storm(2)),
		).end();
	});
	t.match(answer, { kind: 'answered', message: { result: { isError: undefined } } });
	t.strictSame(
		caller.notified.map(({ params }) => (params as JsonObject)['id']),
		[1],
	);
});

t.test('a JSON-RPC error for our id is an answer, whatever the status', async (t) => {
	const { answer } = await callAgainst(t, (response, id) =>
		json(response, 500, { jsonrpc: '2.0', id, error: { code: -32603, message: 'boom' } }),
	);
	t.match(answer, { kind: 'answered', message: { error: { code: -32603, message: 'boom' } } });
});

t.test('too large', async (t) => {
	const cases: [string, Respond][] = [
		[
			'by its own length, before a byte is read',
			(response) => response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000001' }).flushHeaders(),
		],
		['in one body', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('x'.repeat(200_000))],
		['in one event', (response) => stream(response).end(`data: ${'x'.repeat(200_000)}\n\n`)],
		['in a line that never ends', (response) => pump(response, 'x'.repeat(10_000))],
		['in lines that never end', (response) => pump(response, 'data: \n'.repeat(10_000))],
	];
	for (const [name, respond] of cases) {
		await t.test(name, async (t) => {
			const { answer } = await callAgainst(t, respond);
			t.match(answer, { kind: 'too_large', why: 'more than 100000 bytes' });
		});
	}
});

/** Writes the piece as long as the other side reads. */
function pump(response: ServerResponse, piece: string): void {
	stream(response, 'data: ');
	const write = () => {
		while (!response.destroyed && response.write(piece));
		if (!response.destroyed) response.once('drain', write);
	};
	write();
}

t.test('attack 19: a stream that never ends ends the call, and its storm is cut to the size of a result', async (t) => {
	const endless = await callAgainst(t, (response) => pump(response, `\n\n${event(storm(0))}`.repeat(20)), { maxResultBytes: 50_000 });
	t.match(endless.answer, { kind: 'broken', why: 'more than 400000 bytes came before the answer' });
	t.ok(
		endless.caller.notified.length > 10 && endless.caller.notified.length <= 50,
		`${endless.caller.notified.length} of a storm were relayed`,
	);
	const silent = await callAgainst(t, () => {}, { timeoutMs: 50 });
	t.match(silent.answer, { kind: 'timed_out' });
});

t.test('a stream that stays open after its answer does not hold the call', async (t) => {
	const { answer } = await callAgainst(t, (response, id) => stream(response, event(answerTo(id))));
	t.equal(answer.kind, 'answered');
});

t.test('a session that the upstream lost is opened again once for all, and the call goes on', async (t) => {
	for (const [name, lose] of [
		['404', (response: ServerResponse) => response.writeHead(404).end()],
		[
			'404 with an error under our id',
			(response: ServerResponse, id: number) =>
				json(response, 404, { jsonrpc: '2.0', id, error: { code: -32001, message: 'Session not found' } }),
		],
		[
			'400 of the transport',
			(response: ServerResponse) => json(response, 400, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'No valid session' } }),
		],
	] as const) {
		await t.test(name, async (t) => {
			const server = await rawMcpServer(t, {
				'tools/call': ({ message, headers }, response) =>
					headers['mcp-session-id'] === 's1'
						? lose(response, message['id'] as number)
						: json(response, 200, answerTo(message['id'] as number)),
			});
			const caller = callerOf(t, server.url);
			const answers = await Promise.all([caller.call(), caller.call(), caller.call()]);
			t.strictSame(
				answers.map(({ kind }) => kind),
				['answered', 'answered', 'answered'],
			);
			t.equal(server.received.filter(({ message }) => message['method'] === 'initialize').length, 2);
			t.equal(calls(server).length, 6);
		});
	}
	await t.test('but not for ever', async (t) => {
		const { answer, server } = await callAgainst(t, (response) => response.writeHead(404).end());
		t.match(answer, { kind: 'not_sent', why: /HTTP 404/ });
		t.equal(calls(server).length, 2);
	});
});

t.test('a stream with event ids goes on where it stopped', async (t) => {
	const server = await rawMcpServer(t, {
		'tools/call': (_, response) => stream(response, 'id: e1\nretry: 1\ndata: \n\n').end(),
		GET: ({ headers }, response) => {
			const id = calls(server)[0]?.message['id'] as number;
			if (headers['last-event-id'] === 'e1') stream(response, event(storm(1), 'e2')).write('id: e', () => response.destroy());
			else if (headers['last-event-id'] === 'e2') stream(response, event(answerTo(id), 'e3')).end();
			else response.writeHead(405).end();
		},
	});
	const caller = callerOf(t, server.url);
	t.match(await caller.call(), { kind: 'answered', message: { result: { content: [] } } });
	t.equal(calls(server).length, 1);
	t.equal(caller.notified.length, 1);
});

t.test('a stream that can not be taken up again is broken, not unsent', async (t) => {
	const server = await rawMcpServer(t, {
		'tools/call': (_, response) => stream(response).write('id: e1\nretry: 1\ndata: \n\n', () => void server.kill()),
	});
	t.match(await callerOf(t, server.url).call(), { kind: 'broken', why: 'connection refused' });
	await server.revive();
});

t.test('a session that is lost while a stream is taken up again does not repeat the call', async (t) => {
	const server = await rawMcpServer(t, {
		'tools/call': (_, response) => stream(response, 'id: e1\nretry: 1\ndata: \n\n').end(),
		GET: ({ headers }, response) =>
			headers['last-event-id'] === undefined
				? response.writeHead(405).end()
				: json(response, 404, {
						jsonrpc: '2.0',
						id: calls(server)[0]!.message['id']!,
						error: { code: -32001, message: 'Session not found' },
					}),
	});
	t.match(await callerOf(t, server.url).call(), { kind: 'broken', why: /was not offered again \(HTTP 404\)/ });
	t.equal(calls(server).length, 1);
});

t.test('one upstream that hangs leaves the others alone', async (t) => {
	const hung = await rawMcpServer(t, { 'tools/call': () => {} });
	const well = await rawMcpServer(t, { 'tools/call': ({ message }, response) => json(response, 200, answerTo(message['id'] as number)) });
	const settings = (url: string) => ({ url, headers: {}, era: 'legacy' as const, timeoutMs: 300 });
	const upstreams = new Upstreams(
		{ hung: settings(hung.url), well: settings(well.url) },
		{ maxResultBytes: 1000, version: '0', onStale: () => {} },
	);
	t.teardown(() => upstreams.close(0));
	await Promise.all(upstreams.all.map((upstream) => upstream.initializeResult()));
	const downstream = { notify: () => {}, cancelled: new AbortController().signal };
	const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} };
	const order: string[] = [];
	await Promise.all(
		['hung', 'well'].map(async (upstream) => {
			const { kind } = await upstreams.call({ upstream, message, downstream });
			order.push(`${upstream} ${kind}`);
		}),
	);
	t.strictSame(order, ['well answered', 'hung timed_out']);
	t.match(await upstreams.call({ upstream: 'other', message, downstream }), { kind: 'not_sent', why: 'there is no upstream other' });
});

t.test('a call that waits for a connection until its time is over was provably not sent', async (t) => {
	// As many calls as there are connections are held; the next one waits in the pool.
	const held: (() => void)[] = [];
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			if (held.push(() => json(response, 200, answerTo(message['id'] as number))) > CONNECTIONS) held.at(-1)?.();
		},
	});
	const caller = callerOf(t, server.url);
	const running = Array.from({ length: CONNECTIONS }, () => caller.call({ timeoutMs: 60_000 }));
	while (held.length < CONNECTIONS) await new Promise((resolve) => setImmediate(resolve));
	t.match(await caller.call({ timeoutMs: 50 }), { kind: 'not_sent', why: 'no connection within 50 ms' });
	for (const answer of held) answer();
	t.ok((await Promise.all(running)).every(({ kind }) => kind === 'answered'));
	t.match(await caller.call(), { kind: 'answered' });
	t.equal(calls(server).length, CONNECTIONS + 1, 'and it is not sent when a connection is free');
});

t.test('headers that can not be sent are refused by name', (t) => {
	const build = (url: string, headers: Record<string, string>) => () =>
		new Upstreams({ bank: { url, headers, timeoutMs: 1 } }, { maxResultBytes: 1, version: '0', onStale: () => {} });
	t.throws(build('http://127.0.0.1/', { 'X-Key': 'a\r\nb' }), {
		code: 'CONFIG',
		message: 'upstreams.bank.headers.X-Key: expected a header name and a value without line breaks',
	});
	t.throws(build('http://127.0.0.1/', { 'Mcp-Session-Id': 'x' }), {
		code: 'CONFIG',
		message: /headers.Mcp-Session-Id: is set by ToolGate/,
	});
	t.throws(build('http://user:pw@127.0.0.1/', {}), { code: 'CONFIG', message: /bank.url: holds credentials/ });
	t.end();
});
