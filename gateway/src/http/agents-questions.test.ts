import t from 'tap';
import type { JsonObject } from '../domain.ts';
import { call, EVENTS, listen, ok, type OpenStream } from './agents-fixture.ts';

const never = new AbortController().signal;
const elicitation = (message: string): JsonObject => ({
	jsonrpc: '2.0',
	id: 7,
	method: 'elicitation/create',
	params: { message, requestedSchema: { type: 'object', properties: {} } },
});

/** The JSON of the next event that has one. */
async function nextMessage(stream: OpenStream): Promise<JsonObject> {
	for (;;) {
		const [, data] = /^data: (.+)$/m.exec(await stream.next()) ?? [];
		if (data !== undefined) return JSON.parse(data) as JsonObject;
	}
}

t.test(
	'an upstream asks the agent on the stream of the call, under ids of its own, several at once and answered in any order',
	async (t) => {
		const { begin, open, send, gate, dropped } = await listen(t);
		const headers = await begin();
		gate.onCall = async ({ downstream }) => {
			const answers = await Promise.all([
				downstream.request!(elicitation('first'), never),
				downstream.request!(elicitation('second'), never),
			]);
			return ok(JSON.stringify(answers));
		};
		const stream = await open('POST', { ...headers, ...EVENTS }, call(7));
		const [first, second] = [await nextMessage(stream), await nextMessage(stream)];
		t.match([first, second], [{ method: 'elicitation/create', params: { message: 'first' } }, { params: { message: 'second' } }]);
		t.notSame(first['id'], second['id'], 'the upstream used one id for both');
		const respond = (id: unknown, payload: JsonObject, as = headers) =>
			send('POST', { headers: as, body: { jsonrpc: '2.0', id, ...payload } });
		t.equal((await respond(first['id'], { result: { action: 'forged' } }, await begin())).status, 202);
		t.strictSame(dropped, ['response'], "another session's response answers nothing");
		t.equal((await respond(second['id'], { error: { code: -1, message: 'no' } })).status, 202);
		t.equal(
			(await respond(first['id'], { result: { action: 'accept', content: { n: 1 }, _meta: { 'dev.toolgate/x': 1, other: 2 } } })).status,
			202,
		);
		const done = (await nextMessage(stream)) as { id: number; result: { content: [{ text: string }] } };
		t.equal(done.id, 7);
		t.strictSame(JSON.parse(done.result.content[0].text), [
			{ result: { action: 'accept', content: { n: 1 }, _meta: { other: 2 } } },
			{ error: { code: -1, message: 'no' } },
		]);
		t.equal(await stream.next(), 'END');
		await respond(first['id'], { result: {} });
		t.equal(dropped.length, 2, 'an answer after the answer goes nowhere');
	},
);

t.test('what an agent declares is known to its calls; one that takes no events can not be asked', async (t) => {
	const { send, gate } = await listen(t);
	const hello = await send('POST', {
		body: {
			jsonrpc: '2.0',
			id: 0,
			method: 'initialize',
			params: { protocolVersion: '2025-11-25', capabilities: { elicitation: { url: {} } } },
		},
	});
	await send('POST', { headers: { 'mcp-session-id': String(hello.headers['mcp-session-id']) }, body: call(1) });
	t.strictSame(gate.calls[0]?.downstream.clientCapabilities, { elicitation: { url: {} } });
	t.equal(gate.calls[0]?.downstream.request, undefined);
});

t.test('a question ends when it is taken back, when the session ends, and when the gateway closes', async (t) => {
	const { begin, open, send, gate, close } = await listen(t);
	const ends: string[] = [];
	const withdrawn = new AbortController();
	gate.onCall = async ({ downstream, name }) => {
		await downstream.request!(elicitation(name), name === 'withdrawn' ? withdrawn.signal : never).catch((error: Error) =>
			ends.push(`${name}: ${error.message}`),
		);
		return ok('went on');
	};
	const headers = await begin();
	const first = await open('POST', { ...headers, ...EVENTS }, call(1, 'withdrawn'));
	const { id } = await nextMessage(first);
	withdrawn.abort();
	t.match(await nextMessage(first), { method: 'notifications/cancelled', params: { requestId: id } });
	t.match(await nextMessage(first), { id: 1, result: {} });

	const second = await open('POST', { ...headers, ...EVENTS }, call(2, 'session ended'));
	await nextMessage(second);
	await send('DELETE', { headers });

	const third = await open('POST', { ...(await begin()), ...EVENTS }, call(3, 'closing'));
	await nextMessage(third);
	const closed = close();
	t.match(await nextMessage(third), { id: 3, result: {} });
	await closed;
	t.strictSame(ends, [
		'withdrawn: the question was taken back',
		'session ended: the agent can not answer any more',
		'closing: the agent can not answer any more',
	]);
});

t.test('an agent that cancels its call is asked no more', async (t) => {
	const { begin, open, send, gate } = await listen(t);
	const headers = await begin();
	gate.onCall = async ({ downstream }) => {
		const signal = AbortSignal.any([downstream.cancelled]);
		await t.rejects(downstream.request!(elicitation('x'), signal));
		await t.rejects(downstream.request!(elicitation('y'), signal));
		return ok('unheard');
	};
	const stream = await open('POST', { ...headers, ...EVENTS }, call(1));
	await nextMessage(stream);
	await send('POST', { headers, body: { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } } });
	t.equal(await stream.next(), 'END');
});
