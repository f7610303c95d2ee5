import { connect } from 'node:net';
import t from 'tap';
import type { JsonObject } from '../domain.ts';
import { refusals } from '../refusals.ts';
import { call, EVENTS, initialize, listen, ok } from './agents-fixture.ts';

t.test('an answer becomes a stream when a notification of its call comes first, and only where events are accepted', async (t) => {
	const { send, begin, open, gate } = await listen(t);
	const headers = await begin();
	gate.onCall = async ({ downstream }) => {
		downstream.notify({
			jsonrpc: '2.0',
			method: 'notifications/progress',
			params: { progressToken: 'p', progress: 1, _meta: { 'dev.toolgate/x': 1 } },
		});
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'chatter' } });
		return ok('after');
	};
	t.match(await send('POST', { headers, body: call(1) }), { status: 200, headers: { 'content-type': /json/ }, json: { id: 1 } });
	await send('POST', { headers, body: { jsonrpc: '2.0', id: 2, method: 'logging/setLevel', params: { level: 'warning' } } });
	const stream = await open('POST', { ...headers, ...EVENTS }, call(3));
	t.match(stream.response, { statusCode: 200, headers: { 'content-type': 'text/event-stream' } });
	t.match(await stream.next(), /^id: (\d+-0)\ndata:$/, 'a priming event');
	const progress = await stream.next();
	t.match(progress, /^id: \d+-1\nevent: message\ndata: .*"progressToken":"p"/);
	t.notMatch(progress, 'dev.toolgate');
	t.match(await stream.next(), /^id: \d+-2\n.*\ndata: .*"id":3.*after/, 'the chatter was below the level asked for');
	t.equal(await stream.next(), 'END');
	t.match(
		(await send('POST', { headers: { ...headers, accept: 'text/event-stream' }, body: call(4) })).text,
		/"id":4/,
		'events only: a stream at once',
	);
});

t.test('an agent of an older revision gets no priming event', async (t) => {
	const { send } = await listen(t);
	const hello = await send('POST', { body: initialize('2025-03-26') });
	const headers = { 'mcp-session-id': String(hello.headers['mcp-session-id']), accept: 'text/event-stream' };
	t.match((await send('POST', { headers, body: call(1) })).text, /^id: 1-1\nevent: message/);
});

t.test('an answer that takes long becomes a stream with keep-alive comments', async (t) => {
	const { begin, open, gate } = await listen(t, { mcp: { keepAliveMs: 5 } });
	const headers = await begin();
	const slow = Promise.withResolvers<void>();
	gate.onCall = async () => {
		await slow.promise;
		return ok('late');
	};
	const stream = await open('POST', { ...headers, ...EVENTS }, call(1));
	t.match(await stream.next(), /-0\ndata:$/);
	t.equal(await stream.next(), ': keep-alive');
	slow.resolve();
	let event = await stream.next();
	while (event === ': keep-alive') event = await stream.next();
	t.match(event, /late/);
	t.equal(await stream.next(), 'END');
});

t.test('a stream that broke off is resumed by Last-Event-ID, by its own session only; disconnecting does not cancel', async (t) => {
	const { begin, open, gate } = await listen(t);
	const headers = await begin();
	const go = Promise.withResolvers<void>();
	const gone = Promise.withResolvers<void>();
	gate.onCall = async ({ downstream }) => {
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
		await go.promise;
		t.equal(downstream.cancelled.aborted, false);
		downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 2 } });
		gone.resolve();
		return ok('survived');
	};
	const stream = await open('POST', { ...headers, ...EVENTS }, call(1));
	await stream.next();
	const [, first] = /^id: (\S+)/.exec(await stream.next()) as unknown as [string, string];
	stream.close();
	go.resolve();
	await gone.promise;
	const resumed = await open('GET', { ...headers, 'last-event-id': first });
	t.match(await resumed.next(), /"progress":2/);
	t.match(await resumed.next(), /survived/);
	t.equal(await resumed.next(), 'END');
	const foreign = await open('GET', { ...(await begin()), 'last-event-id': first });
	t.match(await foreign.next(), /-0\ndata:$/, 'a stream of its own, with nothing of the other session');
	foreign.close();
});

t.test('the standing stream carries list changes, at most one a second; a second GET takes its place', async (t) => {
	const { begin, open, mcp } = await listen(t);
	const headers = await begin();
	const first = await open('GET', { ...headers, accept: 'text/event-stream' });
	t.match(await first.next(), /^id: 1-0/);
	mcp.listsChanged(new Set(['tools']));
	mcp.listsChanged(new Set(['tools']));
	mcp.listsChanged(new Set(['tools']));
	t.match(await first.next(), /tools\/list_changed/);
	const second = await open('GET', headers);
	t.equal(await first.next(), 'END');
	t.match(await second.next(), /^id: 2-0/);
	const told = await second.next();
	t.match(told, /^id: 2-1[\s\S]*list_changed/, 'the changes within the second came as one');
	second.close();
});

t.test('what belongs to no call goes to the standing stream of the session that asked for it, and may still see it', async (t) => {
	const { send, begin, open, mcp, gate, dropped } = await listen(t);
	gate.onDescribe = () => ({
		protocolVersion: '2025-11-25',
		capabilities: { resources: { subscribe: true }, prompts: {}, logging: {} },
		serverInfo: { name: 'x', version: '1' },
	});
	const headers = await begin();
	const session = headers['mcp-session-id'] as string;
	const tell = (method: string, params: JsonObject, to: string | undefined) =>
		mcp.notified('one', to, { jsonrpc: '2.0', method: `notifications/${method}`, params });
	tell('resources/updated', { uri: 'a:b' }, session);
	t.strictSame(dropped, ['notifications/resources/updated'], 'nobody listens yet');
	const stream = await open('GET', headers);
	await stream.next();
	const ask = (id: number, method: string, params: JsonObject) => send('POST', { headers, body: { jsonrpc: '2.0', id, method, params } });
	tell('resources/updated', { uri: 'a:b' }, session);
	gate.onCall = ({ name }) => (name === 'a:secret' ? refusals.unknownResource(name) : ok('subscribed'));
	await ask(1, 'resources/subscribe', { uri: 'a:b' });
	await ask(2, 'resources/subscribe', { uri: 'a:secret' });
	tell('resources/updated', { uri: 'a:secret' }, session);
	tell('resources/updated', { uri: 'a:bc' }, session);
	gate.visible = () => false;
	tell('resources/updated', { uri: 'a:b' }, session);
	gate.visible = () => true;
	tell('resources/updated', { uri: 'a:b/part', _meta: { 'dev.toolgate/x': 1 } }, session);
	const first = await stream.next();
	t.match(first, /resources\/updated.*"uri":"a:b\/part"/, 'nothing that was not granted, or not any more');
	t.notMatch(first, 'dev.toolgate');
	await ask(3, 'logging/setLevel', { level: 'error' });
	t.strictSame(gate.told, ['level error']);
	tell('message', { level: 'info', data: 'chatter' }, session);
	tell('message', { level: 'error', data: 'news' }, (await begin())['mcp-session-id']);
	tell('message', { level: 'error', data: 'nobody' }, undefined);
	tell('progress', { progressToken: 1, progress: 1 }, session);
	tell('message', { level: 'error', data: 'bad' }, session);
	t.match(await stream.next(), '"data":"bad"');
	mcp.listsChanged();
	t.match(
		[await stream.next(), await stream.next()].join(),
		/resources\/list_changed[\s\S]*prompts\/list_changed/,
		'only lists that it was offered',
	);
	await ask(4, 'resources/unsubscribe', { uri: 'a:b' });
	await ask(5, 'resources/unsubscribe', { uri: 'a:secret' });
	t.strictSame(gate.told, ['level error', 'unsubscribe a:b'], 'what was never granted is not passed on');
	await send('POST', { headers, body: { jsonrpc: '2.0', method: 'notifications/roots/list_changed' } });
	t.equal(gate.told.at(-1), 'notifications/roots/list_changed');
	stream.close();
});

t.test('a cancellation reaches its call at once and gets no response', async (t) => {
	const { send, begin, gate } = await listen(t);
	const headers = await begin();
	const started = Promise.withResolvers<void>();
	const aborted = Promise.withResolvers<void>();
	gate.onCall = async ({ downstream }) => {
		downstream.cancelled.addEventListener('abort', () => aborted.resolve());
		started.resolve();
		await aborted.promise;
		return ok('too late');
	};
	const pending = send('POST', { headers, body: call('c') });
	await started.promise;
	t.match(await send('POST', { headers, body: call('c') }), { status: 400, json: { error: { message: /still under way/ } } });
	const other = await begin();
	const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c' } };
	t.equal((await send('POST', { headers: other, body: cancel })).status, 202, "another session's cancellation reaches nothing");
	t.equal(gate.calls[0]?.downstream.cancelled.aborted, false);
	t.equal((await send('POST', { headers, body: cancel })).status, 202);
	await aborted.promise;
	t.match(await pending, { status: 202, text: '' });
});

t.test('a reader that never reads is cut off, and memory stays bounded', async (t) => {
	const { begin, gate, port, connections } = await listen(t);
	const headers = await begin();
	const cutOffAfter = Promise.withResolvers<number>();
	gate.onCall = async ({ downstream }) => {
		let sent = 0;
		while (sent < 2000 && (await connections()) > 0) {
			downstream.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(64 * 1024) } });
			sent++;
		}
		cutOffAfter.resolve(sent);
		return ok('end');
	};
	const body = JSON.stringify(call(1));
	const socket = connect(port, '127.0.0.1');
	socket.pause();
	socket.on('error', () => {});
	socket.write(
		`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: ${headers['mcp-session-id']}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
	);
	t.ok((await cutOffAfter.promise) < 500, 'after what the kernel takes and 1 MiB more');
	socket.destroy();
});

t.test('closing ends the standing stream at once and lets answers under way go out, as JSON and as streams', async (t) => {
	const { begin, open, send, gate, close } = await listen(t);
	const headers = { ...(await begin()), connection: 'keep-alive' };
	const hold = Promise.withResolvers<void>();
	const bothStarted = Promise.withResolvers<void>();
	gate.onCall = async ({ downstream, name }) => {
		if (name === 'streamed')
			downstream.notify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } });
		if (gate.calls.length === 2) bothStarted.resolve();
		await hold.promise;
		return ok('finished');
	};
	const standing = await open('GET', headers);
	await standing.next();
	const streamed = await open('POST', { ...headers, ...EVENTS }, call(1, 'streamed'));
	const plain = send('POST', { headers, body: call(2) });
	await bothStarted.promise;
	const closed = close();
	t.equal(await standing.next(), 'END');
	hold.resolve();
	t.match((await plain).json, { id: 2, result: { content: [{ text: 'finished' }] } });
	await streamed.next();
	await streamed.next();
	t.match(await streamed.next(), 'finished');
	await closed;
});
