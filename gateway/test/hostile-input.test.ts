import { connect } from 'node:net';
import t from 'tap';
import { gzipSync } from 'node:zlib';
import { openAgent, post } from './agent.ts';
import { build, OPERATOR_TOKEN } from './build.ts';
import { cli } from './cli.ts';
import { json, rawMcpServer } from './raw-mcp-server.ts';
import { rawRequest } from './raw-request.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';

/** What an agent may put into a request, at a whole gateway. */

const JSON_BODY = { 'content-type': 'application/json' };
const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const call = (args: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_charge","arguments":${args}}}`;

/** Sends a body for as long as the other side takes it, up to so many bytes. @returns the bytes that were written */
async function endlessBody(url: string, head: string, upTo: number): Promise<number> {
	const { hostname, port, host } = new URL(url);
	const socket = connect(Number(port), hostname);
	socket.on('error', () => {}).resume();
	socket.write(`POST /mcp HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n${head}\r\n\r\n`);
	const spaces = Buffer.alloc(MiB, ' ');
	const piece = head.includes('chunked') ? Buffer.concat([Buffer.from('100000\r\n'), spaces, Buffer.from('\r\n')]) : spaces;
	let written = 0;
	const pump = (): void => {
		while (!socket.destroyed && written < upTo) {
			written += MiB;
			if (!socket.write(piece)) return void socket.once('drain', pump);
		}
		socket.destroy();
	};
	pump();
	await new Promise((resolve) => socket.once('close', resolve));
	return written;
}

t.test('attack 17: huge, deep, wide and compressed bodies end at their cap; memory stays bounded and nobody else waits', async (t) => {
	const gateway = await build(t);
	const other = await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': 'eval-other@example.com' });
	const turn = () => ({ 'x-mcp-turn-id': crypto.randomUUID() });
	const agent = await openAgent(gateway.mcpUrl);
	const headers = { 'mcp-session-id': agent.sessionId };
	const before = process.memoryUsage().rss;

	const [declared, endless] = await Promise.all([
		endlessBody(gateway.mcpUrl, `Content-Length: ${GiB}`, GiB),
		endlessBody(gateway.mcpUrl, 'Transfer-Encoding: chunked', GiB),
	]);
	const unheard = await endlessBody(gateway.mcpUrl, 'Transfer-Encoding: chunked\r\nOrigin: http://evil.example', GiB);
	t.ok(declared < 256 * MiB, `${declared / MiB} MiB of a declared gibibyte`);
	t.ok(endless < 256 * MiB, `${endless / MiB} MiB of a body without end`);
	t.ok(unheard < 256 * MiB, `${unheard / MiB} MiB of one that was refused before`);

	const bodies: [string, string, RegExp][] = [
		['arrays, 200,000 deep', call(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`), /nested too deeply/],
		['objects, 200,000 deep', call(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`), /nested too deeply/],
		['200,000 brackets and no end', '['.repeat(200_000), /nested too deeply/],
		['more keys than anybody means', call(`{${Array.from({ length: 250_000 }, (_, n) => `"k${n}":0`).join()}}`), /too many object members/],
		[
			'a million keys',
			call(`{${Array.from({ length: 1_000_000 }, (_, n) => `"k${n}":0`).join()}}`),
			/is over 4194304 bytes|over the limit|too large/i,
		],
	];
	for (const [what, body, says] of bodies) {
		const [answer, neighbour] = await Promise.all([
			post(gateway.mcpUrl, body, headers),
			other.call('get_charge', { charge: 'ch_alice_1' }, turn()),
		]);
		t.match(answer, { status: /^(400|413)$/, text: says }, what);
		t.ok(answer.text.length < 1_000, `${what}: the answer does not repeat it`);
		t.equal(neighbour.word, 'ok', `${what}: the others are served`);
	}
	const bomb = gzipSync(Buffer.alloc(64 * MiB, ' '));
	for (const encoding of ['gzip', 'deflate', 'br', 'identity']) {
		const { status } = await rawRequest(
			gateway.mcpUrl,
			'POST',
			{ ...headers, 'content-type': 'application/json', 'content-encoding': encoding },
			bomb.toString('latin1'),
		);
		t.equal(status, 415, `compressed: ${encoding}`);
	}
	const long = await agent.call('get_charge', { charge: 'x'.repeat(MiB) });
	t.equal(long.word, 'invalid_arguments', 'arguments have a cap of their own');
	t.ok(long.text.length < 1_000);
	t.ok(process.memoryUsage().rss - before < 512 * MiB, `${Math.round((process.memoryUsage().rss - before) / MiB)} MiB more`);
	t.equal(gateway.payments.received('get_charge').length, bodies.length);
	t.same(gateway.faults, []);
});

t.test(
	'attack 4: what only looks like the name of a tool, an upstream or a principal is none, and answers as what does not exist',
	async (t) => {
		const gateway = await build(t);
		const agent = await openAgent(gateway.mcpUrl);
		const unknown = await agent.call('nothing_of_the_kind');
		const looks = {
			'a Cyrillic letter': 'get_ch\u0430rge',
			'an Armenian letter': 'get_char\u0581e',
			'a full-width letter': 'get_charg\uff45',
			'a composed letter': 'get_charge\u0301',
			'a turned text': '\u202eegrahc_teg',
			'a hidden direction': 'get_\u202dcharge',
			'a space of no width': 'get_charge\u200b',
			'a hidden tag': 'get_charge\u{e0061}',
			'another case': 'Get_Charge',
			'a trailing dot': 'get_charge.',
			'a trailing space': 'get_charge ',
			'a line break': 'get_charge\n',
			'a NUL': 'get_charge\u0000',
			'an escape of addresses': 'get%5Fcharge',
			'an escape of JSON, kept': 'get\\u005fcharge',
			'a path': './get_charge',
			'an upstream before it': 'stripe__get_charge',
		};
		for (const [what, name] of Object.entries(looks)) {
			const { word, text } = await agent.call(name, { charge: 'ch_alice_1' });
			t.equal(word, unknown.word, what);
			t.match(text, /^Unknown tool: /, what);
		}
		t.same(gateway.payments.received('get_charge'), [], 'nothing of it arrives');
		for (const path of ['Stripe', 'stripe.', 'stripe%00', 'str%C4%B1pe', 'stripe%20', 'stripe%2f', '%73tripe/..'])
			t.equal((await rawRequest(`${gateway.mcpUrl}/${path}`, 'POST', JSON_BODY, PING)).status, 404, path);
		for (const principal of ['alice@example.com.', 'ALICE@example.com', 'alice@example.com%20']) {
			const other = await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': principal });
			t.same(await other.list(), [], `${principal} has none of alice's groups`);
		}
	},
);

/** What would end a line, move a cursor, hide or turn text, or end a record. */
const HOSTILE = [
	'a\nb',
	'a\r\nkind=decision decision=allow',
	'\u001b[2J\u001b[1;1Hclean',
	'\u001b]8;;http://evil.example\u0007click\u001b]8;;\u0007',
	'\u009b31mred',
	'\u2028line\u2029paragraph',
	'nul\u0000end',
	'\u202etxt.exe',
	'=HYPERLINK("http://evil.example")',
	'","outcome":"ok","x":"',
	'%s %n ${x} {{x}}',
].join(' | ');

/** A name is recorded up to 200 characters. */
const UNKNOWN = `echo ${HOSTILE.slice(0, 150)}`;

/** Everything that a terminal acts upon but the line feed, and what turns or hides text. */
const ACTIVE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

t.test(
	'attack 21: line breaks and escape sequences in names and arguments are one record, stored exactly, and shown as text',
	async (t) => {
		const server = await rawMcpServer(t, {
			'tools/list': ({ message }, response) =>
				json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] } }),
			'tools/call': ({ message }, response) => json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { content: [] } }),
		});
		const bundle = await rulesBundle(t, ALLOW_ALL);
		const gateway = await build(t, { upstreams: { raw: { url: server.url } }, config: { policy: { bundle } } });
		const agent = await openAgent(gateway.mcpUrl);
		t.equal((await agent.call('echo', { text: HOSTILE, [HOSTILE]: 1 })).word, 'ok');
		t.equal((await agent.call(UNKNOWN)).word, 'error -32602');
		t.match((await server.seen(({ message }) => message['method'] === 'tools/call')).message, {
			params: { arguments: { text: HOSTILE, [HOSTILE]: 1 } },
		});

		const events = (await gateway.events()).filter(({ callId }) => callId !== undefined);
		t.same(
			events.map(({ kind }) => kind),
			['intent', 'outcome', 'refusal'],
			'one call, one record each',
		);
		t.strictSame((events[0]!.input as { arguments: unknown }).arguments, { text: HOSTILE, [HOSTILE]: 1 }, 'exactly');
		t.equal(events[2]!.tool, UNKNOWN);
		t.match((await gateway.api('GET', '/api/audit/verify')).json, { isIntact: true });

		const operator = (...args: string[]) => cli(t, ['audit', ...args, '--config', gateway.configFile, '--url', gateway.peopleUrl]);
		const shown: [string, string[]][] = [
			['search', ['search']],
			['show', ['show', events[2]!.callId!]],
			['show of the call', ['show', events[0]!.callId!]],
			['search as JSON', ['search', '--json']],
		];
		for (const [what, args] of shown) {
			const { code, stdout, stderr } = await operator(...args);
			t.equal(code, 0, `${what}: ${stderr}`);
			t.notMatch(stdout, ACTIVE, what);
		}
		const { stdout } = await operator('search', '--json');
		const found = (JSON.parse(stdout) as { events: { tool?: string }[] }).events;
		t.ok(
			found.some(({ tool }) => tool === UNKNOWN),
			'a machine reads it as it was',
		);
		const exported = await rawRequest(`${gateway.peopleUrl}/api/audit/export`, 'GET', { authorization: `Bearer ${OPERATOR_TOKEN}` });
		const lines = exported.text.trimEnd().split('\n');
		t.equal(lines.filter((line) => 'event' in (JSON.parse(line) as object)).length, (await gateway.events()).length, 'a line is a record');
	},
);
