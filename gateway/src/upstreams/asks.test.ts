import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { everythingOverHttp } from '../../test/npm-servers.ts';
import { event, rawMcpServer, stream } from '../../test/raw-mcp-server.ts';
import type { Downstream, JsonObject } from '../domain.ts';
import { type UpstreamSettings, Upstreams } from './upstreams.ts';

const CAPABLE = { elicitation: { form: {} }, sampling: {}, roots: { listChanged: true } };

/** An agent that can be asked; every question waits until the test answers it. */
class FakeAgent implements Downstream {
	readonly clientCapabilities: JsonObject;
	readonly cancelling = new AbortController();
	readonly cancelled = this.cancelling.signal;
	readonly asked: { message: JsonObject; signal: AbortSignal; answer: (payload: JsonObject) => void; leave: () => void }[] = [];
	readonly notified: JsonObject[] = [];
	constructor(clientCapabilities: JsonObject = CAPABLE) {
		this.clientCapabilities = clientCapabilities;
	}
	notify(message: JsonObject): void {
		this.notified.push(message);
	}
	request(message: JsonObject, signal: AbortSignal): Promise<JsonObject> {
		return new Promise((answer, reject) => {
			this.asked.push({ message, signal, answer, leave: () => reject(new Error('gone')) });
			signal.addEventListener('abort', () => reject(new Error('withdrawn')));
		});
	}
	async nth(n: number) {
		while (this.asked.length < n) await turn();
		return this.asked[n - 1]!;
	}
}

function connect(t: Test, url: string, settings: Partial<UpstreamSettings> = {}): Upstreams {
	const upstreams = new Upstreams(
		{ shop: { url, headers: {}, era: 'legacy', timeoutMs: 5_000, serverRequests: ['elicitation', 'sampling', 'roots'], ...settings } },
		{ maxResultBytes: 1_000_000, version: '0.1.0', onStale: () => {} },
	);
	t.teardown(() => upstreams.close(0));
	return upstreams;
}

const message = (name: string, args: JsonObject = {}) => ({
	jsonrpc: '2.0',
	id: 'a',
	method: 'tools/call',
	params: { name, arguments: args },
});
const open = (upstreams: Upstreams, capabilities: JsonObject = CAPABLE) =>
	upstreams.openSession('s', { protocolVersion: '2025-11-25', clientInfo: { name: 'agent', version: '1' }, capabilities });

t.test('a real server asks the agent for input, for a sample and for its roots, inside a call', async (t) => {
	const server = await everythingOverHttp(t);
	const upstreams = connect(t, server.url);
	await open(upstreams);
	const asked: JsonObject[] = [];
	let input: JsonObject = { result: { action: 'accept', content: { name: 'Ada', integer: 7 } } };
	const downstream: Downstream = {
		notify: () => {},
		clientCapabilities: CAPABLE,
		cancelled: new AbortController().signal,
		request: async (message): Promise<JsonObject> => {
			asked.push(message);
			switch (message['method']) {
				case 'elicitation/create':
					return input;
				case 'sampling/createMessage':
					return { result: { role: 'assistant', content: { type: 'text', text: 'a sample' }, model: 'm' } };
				default:
					return { result: { roots: [{ uri: 'file:///home/ada', name: 'home' }] } };
			}
		},
	};
	const call = async (name: string, args?: JsonObject) =>
		JSON.stringify(await upstreams.call({ upstream: 'shop', sessionId: 's', message: message(name, args), downstream }));

	t.match(await call('trigger-elicitation-request'), /"kind":"answered".*Ada/);
	t.match(await call('trigger-sampling-request', { prompt: 'hi', maxTokens: 5 }), /a sample/);
	// This one is asked on the stream of the session, and belongs to the one call there is.
	t.match(await call('get-roots-list'), /file:\/\/\/home\/ada/);
	input = { error: { code: -1, message: 'the person has left' } };
	t.match(await call('trigger-elicitation-request'), /the person has left.*"isError":true/);
	t.match(
		asked.find(({ method }) => method === 'elicitation/create'),
		{ params: { requestedSchema: { type: 'object' } } },
	);
});

t.test('an upstream is told of no more than the agent declared and the configuration allows', async (t) => {
	const server = await everythingOverHttp(t);
	const upstreams = connect(t, server.url, { serverRequests: ['elicitation', 'roots'] });
	await open(upstreams, { elicitation: {}, sampling: {}, experimental: { x: {} } });
	const initialize = server.requests.find(({ body }) => body.includes('"initialize"'))!;
	t.strictSame(JSON.parse(initialize.body).params.capabilities, { elicitation: {} });
	const tools = (await upstreams.all[0]!.request('tools/list', {}))['tools'] as { name: string }[];
	t.ok(
		tools.some(({ name }) => name === 'trigger-elicitation-request'),
		"the gateway's own list holds what capable agents see",
	);
	t.notOk(
		tools.some(({ name }) => name === 'trigger-sampling-request'),
		'and nothing that no agent may be asked for',
	);
});

/** A server that sends what the test wants on the stream of each call, and answers when told. */
async function asking(t: Test, settings: Partial<UpstreamSettings> = {}) {
	const calls: { response: ServerResponse; id: number; say(message: JsonObject): void; answer(): void }[] = [];
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			const id = message['id'] as number;
			stream(response);
			const say = (one: JsonObject) => void response.write(event({ jsonrpc: '2.0', ...one }));
			calls.push({ response, id, say, answer: () => (say({ id, result: { content: [] } }), void response.end()) });
		},
	});
	const upstreams = connect(t, server.url, settings);
	const nth = async (n: number) => {
		while (calls.length < n) await turn();
		return calls[n - 1]!;
	};
	const replyTo = (id: unknown) =>
		server.seen(({ message }) => message['id'] === id && !('method' in message)).then(({ message }) => message);
	return { server, upstreams, nth, replyTo };
}
const ask = (id: number | string, method = 'elicitation/create'): JsonObject => ({ id, method, params: { message: `question ${id}` } });

t.test('two questions at once are answered in any order, each under its own id', async (t) => {
	const { upstreams, nth, replyTo } = await asking(t);
	const agent = new FakeAgent();
	const answered = upstreams.call({ upstream: 'shop', message: message('x'), downstream: agent });
	const call = await nth(1);
	call.say(ask('e1'));
	call.say(ask(2));
	(await agent.nth(2)).answer({ result: { action: 'decline' } });
	t.strictSame(await replyTo(2), { jsonrpc: '2.0', id: 2, result: { action: 'decline' } });
	(await agent.nth(1)).answer({ result: { action: 'cancel' } });
	t.strictSame(await replyTo('e1'), { jsonrpc: '2.0', id: 'e1', result: { action: 'cancel' } });
	call.answer();
	t.match(await answered, { kind: 'answered' });
});

t.test('the clock of a call stands still while the agent is asked, and only then', async (t) => {
	const { upstreams, nth, replyTo } = await asking(t, { timeoutMs: 500 });
	await upstreams.all[0]!.initializeResult();
	const agent = new FakeAgent();
	const call = () =>
		upstreams.call({ upstream: 'shop', message: { ...message('x'), params: { _meta: { progressToken: 'p' } } }, downstream: agent });
	const patient = call();
	const first = await nth(1);
	first.say(ask('e1'));
	const question = await agent.nth(1);

	const talkative = call();
	const second = await nth(2);
	let progress = 0;
	const talking = setInterval(
		() => second.say({ method: 'notifications/progress', params: { progressToken: second.id, progress: ++progress } }),
		20,
	);
	t.match(await talkative, { kind: 'timed_out', why: 'waited 500 ms' }, 'progress buys no time');
	clearInterval(talking);
	t.ok(agent.notified.length > 2);

	question.answer({ result: { action: 'accept' } });
	await replyTo('e1');
	first.answer();
	t.match(await patient, { kind: 'answered' }, 'though its time was over long ago');
});

t.test('what may not be asked is refused towards the upstream, and never reaches the agent', async (t) => {
	const { upstreams, nth, replyTo } = await asking(t, { serverRequests: ['elicitation', 'roots'] });
	const agent = new FakeAgent({ elicitation: {}, sampling: {} });
	const answered = upstreams.call({ upstream: 'shop', message: message('x'), downstream: agent });
	const call = await nth(1);
	for (const [id, method, why] of [
		['s', 'sampling/createMessage', /does not list sampling/],
		['r', 'roots/list', /the agent did not declare roots/],
		['t', 'tools/list', /does not relay tools\/list/],
		['c', 'constructor', /does not relay constructor/],
	] as const) {
		call.say(ask(id, method));
		t.match(await replyTo(id), { error: { code: -32601, message: why } });
	}
	for (let n = 0; n < 9; n++) call.say(ask(`many${n}`));
	t.match(await replyTo('many8'), { error: { message: '8 requests of this call are open' } });
	call.say(ask('many0'));
	t.match(await replyTo('many0'), { error: { message: 'a request with this id is open' } });
	call.say(ask('p', 'ping'));
	t.match(await replyTo('p'), { result: {} });
	t.equal(agent.asked.length, 8);
	call.answer();
	t.match(await answered, { kind: 'answered' });
	t.ok(
		agent.asked.every(({ signal }) => signal.aborted),
		'with the call its questions end',
	);
});

t.test('an agent that leaves, cancels or answers late', async (t) => {
	const { server, upstreams, nth, replyTo } = await asking(t);
	const [leaving, cancelling, late] = [new FakeAgent(), new FakeAgent(), new FakeAgent()];
	const call = (downstream: Downstream) => upstreams.call({ upstream: 'shop', message: message('x'), downstream });

	const left = call(leaving);
	(await nth(1)).say(ask('gone'));
	(await leaving.nth(1)).leave();
	t.match(await replyTo('gone'), { error: { message: 'the agent is gone' } });
	(await nth(1)).answer();
	t.match(await left, { kind: 'answered' });

	const cancelled = call(cancelling);
	(await nth(2)).say(ask('dropped'));
	const question = await cancelling.nth(1);
	cancelling.cancelling.abort();
	t.equal(question.signal.aborted, true, 'a cancelled call asks no more');
	await server.seen(({ message }) => message['method'] === 'notifications/cancelled');
	(await nth(2)).answer();
	t.match(await cancelled, { kind: 'answered' }, 'and is drained');

	const answered = call(late);
	const third = await nth(3);
	third.say(ask('withdrawn'));
	const withdrawn = await late.nth(1);
	third.say({ method: 'notifications/cancelled', params: { requestId: 'withdrawn' } });
	while (!withdrawn.signal.aborted) await turn();
	third.say(ask('open'));
	const still = await late.nth(2);
	third.answer();
	await answered;
	still.answer({ result: { action: 'accept' } });
	t.notOk(
		server.received.some(({ message }) => !('method' in message) && ['dropped', 'withdrawn', 'open'].includes(String(message['id']))),
		'no answer goes to whom it no longer interests',
	);
});

t.test('outside of calls, and where several could be meant, nothing is asked of anybody', async (t) => {
	let standing: ServerResponse | undefined;
	const held: { id: number; response: ServerResponse }[] = [];
	const server = await rawMcpServer(t, {
		GET: (_, response) => (standing = stream(response, ': open\n\n')),
		'tools/call': ({ message }, response) => held.push({ id: message['id'] as number, response: stream(response) }),
	});
	const upstreams = connect(t, server.url);
	await open(upstreams);
	while (standing === undefined) await turn();
	const say = (id: string) => standing!.write(event({ jsonrpc: '2.0', ...ask(id) }));
	const refused = async (id: string) => (await server.seen(({ message }) => message['id'] === id)).message;
	say('none');
	t.match(await refused('none'), { error: { message: /only inside a call/ } });
	const agents = [new FakeAgent(), new FakeAgent()];
	const calls = agents.map((downstream) => upstreams.call({ upstream: 'shop', sessionId: 's', message: message('x'), downstream }));
	while (held.length < 2) await turn();
	say('several');
	t.match(await refused('several'), { error: { message: /only inside a call/ } });
	const finish = ({ id, response }: { id: number; response: ServerResponse }) => response.end(event({ jsonrpc: '2.0', id, result: {} }));
	finish(held[0]!);
	await Promise.race(calls);
	say('one');
	while (agents.every(({ asked }) => asked.length === 0)) await turn();
	agents.flatMap(({ asked }) => asked)[0]!.answer({ result: { action: 'accept' } });
	t.match(await refused('one'), { result: { action: 'accept' } });
	finish(held[1]!);
	await Promise.all(calls);
});
