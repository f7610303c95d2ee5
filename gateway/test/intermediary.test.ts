import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { JsonObject } from '../src/domain.ts';
import { openAgent, post } from './agent.ts';
import { build, type Built } from './build.ts';
import { type Answer, event, json, type RawMcpServer, rawMcpServer, stream } from './raw-mcp-server.ts';
import { rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

/** What a server's conformance says nothing about, because it has nobody behind it. */

const bundle = rulesBundle(
	t,
	`
access contains "alice" if input.principal.id == "alice@example.com"

finding contains {
	"rule": "test.ask",
	"verdict": "approvalRequired",
	"message": "a person must agree",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": 60},
} if {
	input.tool.name == "refund"
}
`,
);

const TOOLS = ['echo', 'slow', 'refund'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const answer = (response: ServerResponse, { message }: { message: JsonObject }, result: JsonObject) =>
	json(response, 200, { jsonrpc: '2.0', id: message['id']!, result });
const ofTool = ({ message }: { message: JsonObject }) => (message['params'] as JsonObject)['name'];

interface Between {
	readonly built: Built;
	readonly server: RawMcpServer;
	/** Calls of `slow`, as they wait upstream. */
	readonly waiting: { readonly id: unknown; readonly session: unknown; readonly response: ServerResponse }[];
	/** Requests that reached the upstream. */
	calls(): JsonObject[];
}

async function between(t: Test, onCall: Answer = (received, response) => answer(response, received, { content: [] })): Promise<Between> {
	const waiting: Between['waiting'][number][] = [];
	const server = await rawMcpServer(t, {
		'tools/list': (received, response) => answer(response, received, { tools: TOOLS }),
		'tools/call': (received, response) => {
			if (ofTool(received) !== 'slow') return onCall(received, response);
			stream(response);
			waiting.push({ id: received.message['id'], session: received.headers['mcp-session-id'], response });
		},
	});
	const built = await build(t, { upstreams: { raw: { url: server.url } }, config: { policy: { bundle: await bundle } } });
	return {
		built,
		server,
		waiting,
		calls: () => server.received.filter(({ message }) => message['method'] === 'tools/call').map(({ message }) => message),
	};
}

const call = (id: number | string, name: string, args: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
	jsonrpc: '2.0',
	id,
	method: 'tools/call',
	params: { name, arguments: args, ...more },
});
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
const modernHeaders = (method: string, name?: string) => ({
	'mcp-protocol-version': '2026-07-28',
	'mcp-method': method,
	...(name === undefined ? {} : { 'mcp-name': name }),
});
const EVENTS = { accept: 'application/json, text/event-stream' };

/** Sends a request whose answer is left unread until it is aborted. */
function leaving(url: string, headers: Record<string, string>, body: JsonObject): () => void {
	const gone = new AbortController();
	fetch(url, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: JSON.stringify(body),
		signal: gone.signal,
	}).catch(() => {});
	return () => gone.abort();
}

t.test('two agents with the same ids: answers, progress and cancellations find their own', async (t) => {
	const { built, server, waiting } = await between(t);
	const agents = [await openAgent(built.mcpUrl), await openAgent(built.mcpUrl)] as const;
	const headers = agents.map(({ sessionId }) => ({ 'mcp-session-id': sessionId }));
	const more = { _meta: { progressToken: 'p' } };
	const answers = headers.map((each) => post(built.mcpUrl, call(7, 'slow', {}, more), { ...each, ...EVENTS }));
	await until('both calls', () => waiting.length === 2);
	t.notSame(waiting[0]!.session, waiting[1]!.session, 'each has a session of its own up there');

	await post(built.mcpUrl, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7, reason: 'enough' } }, headers[0]);
	const cancelled = await server.seen(({ message }) => message['method'] === 'notifications/cancelled');
	const session = cancelled.headers['mcp-session-id'];
	t.match(
		cancelled.message,
		{ params: { requestId: waiting.find((one) => one.session === session)!.id, reason: 'enough' } },
		'under the id that the upstream knows',
	);
	const other = waiting.find((one) => one.session !== session)!;
	other.response.write(
		event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: other.id as number, progress: 1 } }),
	);
	other.response.end(event({ jsonrpc: '2.0', id: other.id as number, result: { content: [{ type: 'text', text: 'yours' }] } }));
	const [first, second] = await Promise.all(answers);
	t.notMatch(first!.text, 'result', 'who cancelled hears nothing more');
	t.match(second!.text, /"progressToken":"p".*"progress":1[\s\S]*"id":7[\s\S]*yours/);
});

t.test('an agent of a session that disconnects cancels nothing; one without sessions does', async (t) => {
	const { built, server, waiting } = await between(t);
	const { sessionId } = await openAgent(built.mcpUrl);
	const leave = leaving(built.mcpUrl, { 'mcp-session-id': sessionId, ...EVENTS }, call(1, 'slow'));
	await until('the call', () => waiting.length === 1);
	leave();
	const leaveModern = leaving(built.mcpUrl, { ...modernHeaders('tools/call', 'slow'), ...EVENTS }, call(2, 'slow', {}, { _meta: META }));
	await until('the other call', () => waiting.length === 2);
	leaveModern();
	const { message } = await server.seen(({ message }) => message['method'] === 'notifications/cancelled');
	t.equal((message['params'] as JsonObject)['requestId'], waiting[1]!.id);
	for (const { id, response } of waiting) response.end(event({ jsonrpc: '2.0', id: id as number, result: { content: [] } }));
	await until('the outcome', async () => (await built.events()).some(({ kind, outcome }) => kind === 'outcome' && outcome === 'ok'));
	t.equal(server.received.filter(({ message: { method } }) => method === 'notifications/cancelled').length, 1);
});

t.test('what two readers could read differently reaches no upstream', async (t) => {
	const { built, calls } = await between(t);
	const { sessionId } = await openAgent(built.mcpUrl);
	const headers = { 'mcp-session-id': sessionId };
	for (const body of [
		JSON.stringify([call(1, 'echo')]),
		'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"echo"}}',
		'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","\\u006eame":"refund"}}',
		'{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"ping","params":{"name":"echo"}}',
		'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{"a":1}}}}',
		'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"echo"}}',
	]) {
		t.equal((await post(built.mcpUrl, body, headers)).status, 400, body);
	}
	t.equal(
		(await post(built.mcpUrl, { jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } }, headers)).status,
		202,
		'a call as a notification is dropped',
	);
	t.equal((await post(built.mcpUrl, call(1, 'echo'), { ...headers, 'mcp-name': 'refund' })).status, 400);
	t.match(await post(built.mcpUrl, call(1, 'echo', {}, { _meta: META }), modernHeaders('tools/call', 'refund')), {
		status: 400,
		text: /-32020/,
	});
	t.match(await post(built.mcpUrl, call(1, 'echo', {}, { _meta: META }), { ...modernHeaders('tools/list', 'echo') }), {
		status: 400,
		text: /-32020/,
	});
	t.equal(calls().length, 0);
});

t.test('what nobody here knows passes in both directions as it is', async (t) => {
	const odd = {
		content: [{ type: 'hologram', data: [1.5, null, { '': 'ü\u0000' }] }],
		structuredContent: { deep: [[[]]] },
		future: 9007199254740991,
		_meta: { 'example.com/x': { y: [] }, 'dev.toolgate/decision': 'forged' },
	};
	const { built, calls } = await between(t, (received, response) => answer(response, received, odd));
	const { sessionId } = await openAgent(built.mcpUrl);
	const params = { name: 'echo', arguments: { '': [0.1, 1e21], constructor: { prototype: 1 } }, future: { x: 1 } };
	const sent = {
		jsonrpc: '2.0',
		id: 'an id',
		method: 'tools/call',
		params: { ...params, _meta: { 'example.com/z': 1, 'dev.toolgate/x': 1 } },
		extension: true,
	};
	const { result } = JSON.parse((await post(built.mcpUrl, sent, { 'mcp-session-id': sessionId })).text) as { result: JsonObject };
	t.strictSame(result, { ...odd, _meta: { 'example.com/x': { y: [] } } });
	const { id, ...seen } = calls()[0]!;
	t.type(id, 'number', "the id is the gateway's own");
	t.equal(
		JSON.stringify(seen),
		JSON.stringify({ jsonrpc: '2.0', method: 'tools/call', params: { ...params, _meta: { 'example.com/z': 1 } }, extension: true }),
	);
});

t.test('an upstream that lost its session is initialized again, and the agent does not notice', async (t) => {
	let lost = false;
	const { built, server } = await between(t, (received, response) => {
		if (lost) return answer(response, received, { content: [{ type: 'text', text: String(received.headers['mcp-session-id']) }] });
		lost = true;
		response.writeHead(404).end();
	});
	const { sessionId } = await openAgent(built.mcpUrl);
	const opened = server.received.filter(({ message }) => message['method'] === 'initialize').length;
	t.match((await post(built.mcpUrl, call(1, 'echo'), { 'mcp-session-id': sessionId })).text, /"text":"s\d+"/);
	t.equal(server.received.filter(({ message }) => message['method'] === 'initialize').length, opened + 1);
	t.strictSame(await built.traces(), ['echo → allow'], 'one call, one intent');
});

t.test("a list is the caller's own, whatever the upstream says of it, and for nobody to keep", async (t) => {
	const { built } = await between(t);
	const list = async (principal: string) => {
		const { text } = await post(
			built.mcpUrl,
			{ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: META } },
			{ ...modernHeaders('tools/list'), 'x-toolgate-principal': principal },
		);
		return (JSON.parse(text) as { result: JsonObject }).result;
	};
	t.match(await list('alice@example.com'), { tools: TOOLS, cacheScope: 'private', ttlMs: 30_000 });
	t.match(await list('mallory@example.com'), { tools: [], cacheScope: 'private' });
});

t.test('a call that broke off and is repeated under a new id takes up its approval, and runs once', async (t) => {
	const { built, calls } = await between(t);
	const refund = (id: number) =>
		post(built.mcpUrl, call(id, 'refund', { cents: 5 }, { _meta: META }), modernHeaders('tools/call', 'refund'));
	const leave = leaving(
		built.mcpUrl,
		{ ...modernHeaders('tools/call', 'refund'), ...EVENTS },
		call(1, 'refund', { cents: 5 }, { _meta: META }),
	);
	const [approval] = await until('the approval', async () => {
		const { approvals } = (await built.api<{ approvals: { id: string }[] }>('GET', '/api/approvals?state=pending')).json;
		return approvals.length > 0 ? approvals : undefined;
	});
	leave();
	await built.api('POST', `/api/approvals/${approval!.id}/approve`, {});
	t.match((await refund(2)).text, /"content":\[\]/);
	t.match((await refund(3)).text, /replayed/);
	t.equal(calls().length, 1);
	const approvals = new Set((await built.events()).flatMap(({ approvalId = [] }) => approvalId));
	t.strictSame([...approvals], [approval!.id]);
});
