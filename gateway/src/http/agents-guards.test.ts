import { connect } from 'node:net';
import t from 'tap';
import type { JsonObject } from '../domain.ts';
import { until } from '../../test/until.ts';
import { call, initialize, listen, ok } from './agents-fixture.ts';
import { hashOfToken } from './tokens.ts';

t.test('hosts, origins, types, sizes and repeated headers are looked at before anything is read', async (t) => {
	const { send, rawBytes, port } = await listen(t, {
		deps: { callbacks: (app) => void app.post('/lark/actions', async () => ({ called: true })) },
	});
	const body = initialize();
	for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost@evil.example', 'localhost/x', 'localhost#x'])
		t.match(await send('POST', { headers: { host }, body }), { status: 403, json: { error: { code: -32600 } } }, host);
	for (const host of ['localhost', `LOCALHOST:${port}`, 'gateway:18080', '[::1]:1', '127.0.0.1'])
		t.equal((await send('POST', { headers: { host }, body })).status, 200, host);
	for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'file://localhost', 'http://localhost/x'])
		t.equal((await send('POST', { headers: { origin }, body })).status, 403, origin);
	t.equal((await send('POST', { headers: { origin: 'http://localhost:6274' }, body })).status, 200);
	t.equal((await send('GET', { headers: { host: 'evil.example' } })).status, 403);
	t.strictSame((await send('POST', { path: '/lark/actions', headers: { host: 'tunnel.example' }, body })).json, { called: true });
	t.equal((await send('GET', { path: '/healthz', headers: { host: '10.0.0.7' } })).status, 200);

	for (const type of [
		'text/plain',
		'application/x-www-form-urlencoded',
		'application/jsonp',
		'application/json; charset=utf-16',
		'multipart/form-data; boundary=application/json',
	]) {
		t.match(await send('POST', { headers: { 'content-type': type }, body }), { status: 415, json: { error: { code: -32600 } } }, type);
	}
	t.equal((await send('POST', { headers: { 'content-type': 'Application/JSON; charset=UTF-8' }, body })).status, 200);
	t.equal((await send('POST', { headers: { 'content-encoding': 'gzip' }, body })).status, 415);
	const small = await listen(t, { deps: { limits: { bodyBytes: 1024, callsPerPrincipal: 1 } } });
	t.match(await small.send('POST', { raw: ' '.repeat(1025) }), { status: 413, json: { error: { code: -32600 } } });
	t.match(await small.send('POST', { headers: { 'transfer-encoding': 'chunked' }, raw: ' '.repeat(1025) }), {
		status: 413,
		json: { error: { code: -32600 } },
	});

	for (const name of [
		'Mcp-Session-Id',
		'mcp-protocol-version',
		'X-Mcp-Turn-Id',
		'X-ToolGate-Principal',
		'Authorization',
		'Content-Type',
		'Mcp-Anything',
	]) {
		const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name.toLowerCase() === 'content-type' ? '' : 'Content-Type: application/json\r\n'}`;
		t.match(
			await rawBytes(`${head}${name}: application/json\r\n${name.toUpperCase()}: application/json\r\nContent-Length: 2\r\n\r\n{}`),
			/^HTTP\/1\.1 400 [\s\S]*sent twice/,
			name,
		);
	}
	t.match(
		await send('POST', { headers: { 'mcp-method': 'tools/list' }, body }),
		{ status: 400, json: { error: { code: -32600 } } },
		'a header that says otherwise',
	);
	t.equal((await send('PUT', { body })).status, 405);
	t.equal((await send('POST', { path: '/elsewhere', body })).status, 404);
	t.equal((await send('POST', { path: '/mcp/two', body })).status, 404, 'an upstream nobody configured');
});

t.test('a request that could be read as two closes its connection', async (t) => {
	const { rawBytes, gate } = await listen(t);
	const smuggled = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
	for (const head of [
		'Content-Length: 4\r\nTransfer-Encoding: chunked',
		'Content-Length: 2\r\nContent-Length: 3',
		'Transfer-Encoding: chunked\r\nX: a\r\n folded: b',
		'X: a\nContent-Length: 0',
		'Transfer-Encoding : chunked',
	]) {
		const answer = await rawBytes(
			`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${head}\r\n\r\n0\r\n\r\n${smuggled}`,
		);
		t.equal(answer.match(/HTTP\/1\.1/g)?.length ?? 0, 1, JSON.stringify(head));
		t.match(answer, /^HTTP\/1\.1 400/, JSON.stringify(head));
	}
	t.equal(gate.calls.length, 0);
});

t.test('who calls: headers under mode none, groups from the configuration, nothing that merely looks like an address', async (t) => {
	const { send, begin, gate } = await listen(t, {
		people: {
			'alice@example.com': { groups: ['support'] },
			'eval-*@example.com': { groups: ['support', 'eval'] },
			'*': { groups: ['all'] },
		},
	});
	const who = async (given: Record<string, string>) => {
		const headers = await begin(given);
		await send('POST', { headers, body: call(1) });
		const { principal, agent, session } = gate.calls.at(-1)!.caller;
		return { id: principal.id, groups: principal.groups, agent: agent.id, version: agent.version, turn: session.turn };
	};
	t.strictSame(await who({}), { id: 'alice@example.com', groups: ['support', 'all'], agent: 'local', version: '1.2', turn: undefined });
	t.strictSame(
		await who({
			'x-toolgate-principal': 'eval-7@example.com',
			'x-toolgate-agent-id': 'bot',
			'x-toolgate-agent-version': '3',
			'x-mcp-turn-id': 't-1',
		}),
		{
			id: 'eval-7@example.com',
			groups: ['support', 'eval', 'all'],
			agent: 'bot',
			version: '3',
			turn: 't-1',
		},
	);
	t.strictSame((await who({ 'x-toolgate-principal': 'eval-x@evil.org@example.com' })).groups, ['all'], 'the star does not reach over an @');
	t.strictSame((await who({ 'x-toolgate-principal': 'Alice@example.com' })).groups, ['all'], 'case counts');
	for (const [name, value] of [
		['x-toolgate-principal', ''],
		['x-toolgate-principal', 'аlice@example.com'],
		['x-toolgate-principal', 'a'.repeat(400)],
		['x-toolgate-agent-id', 'a\tb'],
	]) {
		t.equal(
			(await send('POST', { headers: { [name as string]: Buffer.from(value as string).toString('latin1') }, body: initialize() })).status,
			400,
			`${name}: ${value}`,
		);
	}
	const headers = await begin();
	t.equal((await send('POST', { headers: { ...headers, 'x-mcp-turn-id': 'a b' }, body: call(1) })).status, 400);
});

t.test('a token is demanded, found by its hash, and refused within a second of its revocation', async (t) => {
	const token = `tg_${'a'.repeat(43)}`;
	const known = Buffer.from(hashOfToken(token) as Uint8Array);
	let isRevoked = false;
	let lookUps = 0;
	const { send, begin, gate, advance } = await listen(t, {
		auth: {
			mode: 'token',
			findToken: async (hash) => {
				lookUps++;
				return !isRevoked && known.equals(hash) ? { principal: 'bob@example.com', agent: 'billing' } : undefined;
			},
		},
	});
	for (const authorization of [
		undefined,
		'Bearer',
		'Bearer tg_short',
		`Basic ${token}`,
		`Bearer ${token.toUpperCase()}`,
		`Bearer tg_${'b'.repeat(43)}`,
	]) {
		const headers = { ...(authorization === undefined ? {} : { authorization }), 'x-toolgate-principal': 'alice@example.com' };
		for (const method of ['POST', 'GET', 'DELETE']) {
			const answer = await send(method, { headers, ...(method === 'POST' ? { body: initialize() } : {}) });
			t.match(answer, { status: 401, json: { error: { code: -32600 } } }, `${method} ${authorization}`);
			t.match(answer.headers['www-authenticate'], /^Bearer/);
		}
	}
	const headers = await begin({
		authorization: `Bearer ${token}`,
		'x-toolgate-principal': 'alice@example.com',
		'x-toolgate-agent-id': 'x',
	});
	t.equal((await send('POST', { headers, body: call(1) })).status, 200);
	t.match(gate.calls[0]?.caller, { principal: { id: 'bob@example.com' }, agent: { id: 'billing' } }, 'headers are not believed');
	lookUps = 0;
	await send('POST', { headers, body: call(2) });
	t.equal(lookUps, 0, 'remembered');
	isRevoked = true;
	advance(1000);
	t.equal((await send('POST', { headers, body: call(3) })).status, 401);
	t.equal(gate.calls.length, 2);
});

t.test('too many calls of one principal are shed as results, a flood before it is read', async (t) => {
	const { send, begin, gate } = await listen(t, {
		mcp: { callsPerPrincipal: 2 },
		deps: { limits: { bodyBytes: 10_000, callsPerPrincipal: 1 } },
	});
	const headers = await begin();
	const hold = Promise.withResolvers<void>();
	const started: (() => void)[] = [];
	const allStarted = Promise.all([1, 2].map(() => new Promise<void>((resolve) => started.push(resolve))));
	gate.onCall = async () => {
		started.pop()?.();
		await hold.promise;
		return ok('held');
	};
	const held = [send('POST', { headers, body: call(1) }), send('POST', { headers, body: call(2) })];
	await allStarted;
	t.match((await send('POST', { headers, body: call(3) })).json, {
		result: { isError: true, _meta: { 'dev.toolgate/decision': { outcome: 'overloaded', retryAfterMs: Number } } },
	});
	t.equal(gate.calls.length, 2);
	gate.onList = () => ({ tools: [] });
	const lists = Promise.withResolvers<JsonObject>();
	gate.onList = () => lists.promise as never;
	const more = [4, 5].map((id) => send('POST', { headers, body: { jsonrpc: '2.0', id, method: 'tools/list' } }));
	while (gate.listed.length < 2) await new Promise((resolve) => setImmediate(resolve));
	const flooded = await send('POST', { headers, raw: 'not even JSON' });
	t.match(flooded, { status: 429, headers: { 'retry-after': '1' } });
	t.equal(
		(await send('POST', { headers: { 'x-toolgate-principal': 'bob@example.com' }, body: initialize() })).status,
		200,
		'others are not held up',
	);
	lists.resolve({ tools: [] });
	hold.resolve();
	for (const answer of await Promise.all([...held, ...more])) t.equal(answer.status, 200);
	t.equal((await send('POST', { headers, body: call(9) })).status, 200, 'everything was given back');
});

t.test('attack 19: bodies that come slowly leave room for the others, and a client that is too slow is cut off', async (t) => {
	const { begin, send, port, connections, gate } = await listen(t, {
		deps: { patience: { headersMs: 300, requestMs: 1_000, lookEveryMs: 50 } },
	});
	const headers = await begin({ 'x-toolgate-principal': 'bob@example.com' });
	const began = 'POST /mcp HTTP/1.1\r\nHost: localhost\r\n';
	const answers: string[] = [];
	const slow = (text: string, n: number) => {
		const socket = connect(port, '127.0.0.1').on('error', () => {});
		socket.write(text);
		answers[n] = '';
		socket.on('data', (chunk: Buffer) => (answers[n] += chunk.toString()));
		return new Promise<void>((resolve) => socket.once('close', () => resolve()));
	};
	const ends = Array.from({ length: 100 }, (_, n) => slow(`${began}Content-Type: application/json\r\nContent-Length: 4194304\r\n\r\n{`, n));
	ends.push(slow(`${began}X-A: b\r\n`, 100));
	await until('one principal to have no more room', () =>
		answers.some((text) => /^HTTP\/1\.1 429 [\s\S]*of alice@example\.com/.test(text)),
	);
	t.equal((await send('POST', { headers, body: call(1) })).status, 200, 'another one is served meanwhile');
	await Promise.all(ends);
	t.match(answers[100], /^HTTP\/1\.1 408/, 'slow headers');
	t.ok(answers.slice(0, 100).filter((text) => text.startsWith('HTTP/1.1 408')).length >= 16, 'slow bodies');
	t.equal(gate.calls.length, 1);
	t.equal((await send('POST', { body: initialize() })).status, 200, 'and the room is given back');
	await until('every connection to be gone', async () => (await connections()) === 0);
});
