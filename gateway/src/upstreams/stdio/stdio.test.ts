import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Command, everything, filesystem, memory } from '../../../test/npm-servers.ts';
import { scriptedCommand } from '../../../test/scripted-command.ts';
import type { JsonObject } from '../../domain.ts';
import type { UpstreamCall } from '../upstream-call.ts';
import { Upstreams, type UpstreamsOptions } from '../upstreams.ts';

interface Options extends Partial<UpstreamsOptions> {
	readonly timeoutMs?: number;
	readonly env?: Record<string, string>;
	readonly cwd?: string;
	readonly serverRequests?: ('elicitation' | 'sampling' | 'roots')[];
}

const folder = (t: Test) => t.testdir({});

function run(
	t: Test,
	command: Command,
	{ timeoutMs = 20_000, env = {}, cwd = tmpdir(), serverRequests = ['elicitation'], ...options }: Options = {},
) {
	const lines: string[] = [];
	const turns: string[] = [];
	const settings = { ...command, cwd, timeoutMs, serverRequests, env: { PATH: process.env['PATH']!, ...env } };
	const upstreams = new Upstreams(
		{ local: settings },
		{
			maxResultBytes: 100_000,
			version: '0.1.0',
			onStale: () => {},
			onLine: (_, line) => lines.push(line),
			onHealth: ({ state, why }) => turns.push(why === undefined ? state : `${state}: ${why}`),
			...options,
		},
	);
	t.teardown(() => upstreams.close(0));
	const call = (name: string, args: JsonObject = {}, more: Partial<UpstreamCall> = {}) =>
		upstreams.call({
			upstream: 'local',
			sessionId: 's',
			message: { jsonrpc: '2.0', id: 'a', method: 'tools/call', params: { name, arguments: args } },
			downstream: { notify: () => {}, cancelled: new AbortController().signal },
			...more,
		});
	const until = async (holds: () => boolean) => {
		while (!holds()) await turn();
	};
	return { upstreams, upstream: upstreams.all[0]!, call, lines, turns, until };
}

const textOf = (answer: unknown) => JSON.stringify(answer);
const isAlive = (pid: number) => {
	try {
		process.kill(pid, 0);
		return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
	} catch {
		return false;
	}
};

t.test('servers from npm: a file server, a memory and everything', async (t) => {
	const root = folder(t);
	writeFileSync(join(root, 'hello.txt'), 'hello from a file');
	const files = run(t, filesystem(root));
	t.match(textOf(await files.call('read_text_file', { path: join(root, 'hello.txt') })), /hello from a file/);
	t.match(textOf(await files.call('read_text_file', { path: '/etc/passwd' })), /Access denied/);

	const graph = run(t, memory, { env: { MEMORY_FILE_PATH: join(root, 'memory.jsonl') } });
	await graph.call('create_entities', { entities: [{ name: 'Ada', entityType: 'person', observations: ['writes'] }] });
	t.match(textOf(await graph.call('read_graph')), /Ada/);

	process.env['SECRET_OF_THE_GATEWAY'] = 'canary';
	const all = run(t, everything, { env: { ONLY: 'this' } });
	t.match(textOf(await all.call('get-sum', { a: 2, b: 3 })), /2 and 3 is 5/);
	const environment = textOf(await all.call('get-env'));
	t.match(environment, /ONLY/);
	t.notMatch(environment, /canary|npm_/, "nothing else of the gateway's environment");
	t.match(all.upstream.health, { state: 'up' });
});

t.test('sessions share the process: it may ask where one call is open, and notifications find who wants them', async (t) => {
	const heard: string[] = [];
	const { upstreams, call, until } = run(t, everything);
	upstreams.onNotification((_, session, { method, params }) =>
		heard.push(`${session} ${String(method)} ${String((params as JsonObject | undefined)?.['uri'] ?? '')}`),
	);
	const asked: JsonObject[] = [];
	const answers: (() => void)[] = [];
	const downstream = {
		notify: () => {},
		clientCapabilities: { elicitation: {} },
		cancelled: new AbortController().signal,
		request: (message: JsonObject) =>
			new Promise<JsonObject>(
				(resolve) => (asked.push(message), answers.push(() => resolve({ result: { action: 'accept', content: { name: 'Ada' } } }))),
			),
	};
	const alone = call('trigger-elicitation-request', {}, { downstream });
	await until(() => answers.length === 1);
	const second = call('trigger-elicitation-request', {}, { sessionId: 'other', downstream });
	t.match(
		textOf(await second),
		/ToolGate relays elicitation\/create only inside a call/,
		'with two open calls nobody knows whose question it is',
	);
	answers[0]!();
	t.match(textOf(await alone), /Ada/);
	t.equal(asked.length, 1);

	const request = (method: string, params: JsonObject, sessionId: string) =>
		upstreams.request({ upstream: 'local', sessionId, message: { jsonrpc: '2.0', id: 1, method, params }, downstream });
	const uri = 'demo://resource/static/document/features.md';
	for (const session of ['s', 'other'])
		t.match(await request('resources/subscribe', { uri }, session), { kind: 'answered', message: { result: {} } });
	await call('toggle-subscriber-updates');
	await until(() => heard.length >= 2);
	t.strictSame(
		heard.slice(0, 2),
		['s', 'other'].map((session) => `${session} notifications/resources/updated ${uri}`),
	);
	await upstreams.closeSession('s');
	t.match(await request('resources/unsubscribe', { uri }, 'other'), { kind: 'answered', message: { result: {} } });
	t.match(
		await request(
			'completion/complete',
			{ ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument: { name: 'department', value: 'S' } },
			's',
		),
		{
			message: { result: { completion: { values: ['Sales', 'Support'] } } },
		},
	);
});

t.test('a command that can not serve is named, with its last words', async (t) => {
	const cases: [string, Command, Options, string | RegExp][] = [
		['no such command', { command: 'no-such-command', args: [] }, {}, 'command not found: no-such-command'],
		['no such folder', memory, { cwd: '/nowhere' }, 'the folder to run it in does not exist: /nowhere'],
		['not executable', { command: '/etc/passwd', args: [] }, {}, 'it may not be run: /etc/passwd'],
		[
			'it crashes at start',
			{ command: 'sh', args: ['-c', 'echo "no API key" >&2; exit 3'] },
			{},
			'it ended with code 3; its last words: no API key',
		],
		['it is killed', { command: 'sh', args: ['-c', 'kill -9 $$'] }, {}, 'it ended by SIGKILL'],
		[
			'it speaks another revision',
			scriptedCommand(`initialize: ({ id }) => say({ id, result: { ...result, protocolVersion: '1999' } })`),
			{},
			/speaks MCP 1999/,
		],
		[
			'it refuses',
			scriptedCommand(`initialize: ({ id }) => say({ id, error: { code: 1, message: 'not today' } })`),
			{},
			'it refused initialize: not today',
		],
	];
	for (const [name, command, options, why] of cases) {
		await t.test(name, async (t) => {
			const { call, upstream } = run(t, command, options);
			t.match(await call('x'), { kind: 'not_sent', why, isUnreachable: true });
			t.match(upstream.health, { state: 'down', why });
			t.match(
				await call('x'),
				{ kind: 'not_sent', why: /started again soon|ended|not found|exist|run|speaks|refused/ },
				'and calls meanwhile wait for nothing',
			);
		});
	}
});

t.test('what ends is started again, and a call that it took with it is broken', async (t) => {
	const marker = join(folder(t), 'ran');
	const { call, turns, until } = run(
		t,
		scriptedCommand(
			`'tools/call': ({ id, params }) => params.name === 'die' ? process.exit(7) : say({ id, result: { content: [], pid: process.pid } })`,
			`require('fs').appendFileSync(${JSON.stringify(marker)}, 'x');`,
		),
	);
	t.match(await call('live'), { kind: 'answered' });
	t.match(await call('die'), { kind: 'broken', why: 'it ended with code 7' });
	t.match(await call('live'), { kind: 'not_sent', why: 'it ended with code 7; it is started again soon' });
	await until(() => turns.length === 3);
	t.match(await call('live'), { kind: 'answered' });
	t.strictSame(turns, ['up', 'down: it ended with code 7', 'up']);
	t.equal(readFileSync(marker, 'utf8'), 'xx');
});

t.test('garbage on standard output harms nobody but who waits for it', async (t) => {
	const answers = `'tools/call': ({ id, params: { name } }) => ({
		banner: () => { write('Listening on stdio!\\n\\r\\n'); say({ id, result: { content: [] } }); },
		twice: () => { say({ id, result: { content: [1] } }); say({ id, result: { content: [2] } }); },
		wrong: () => say({ id: 4711, result: {} }),
		text: () => say({ id: String(id), result: {} }),
		broken: () => write('{"jsonrpc":"2.0","id":' + id + ',"result":{"a":1,"a":2}}\\n'),
		pieces: () => { const text = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [], text: 'ü'.repeat(1000) } }) + '\\r\\n'; for (const byte of Buffer.from(text)) process.stdout.write(Buffer.of(byte)); },
		long: () => { write('{"x":"' + 'x'.repeat(200000)); write('"}\\n'); },
		large: () => say({ id, result: { text: 'x'.repeat(5000) } }),
		storm: () => { for (let n = 0; n < 1000; n++) say({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(1000) } }); say({ id, result: {} }); },
	})[name]()`;
	const { call, lines } = run(t, scriptedCommand(answers));
	t.match(await call('banner'), { kind: 'answered' });
	t.match(lines, ['(not MCP, on standard output) Listening on stdio!']);
	t.match(await call('twice'), { kind: 'answered', message: { result: { content: [1] } } });
	t.match(await call('wrong', {}, { timeoutMs: 100 }), { kind: 'timed_out' });
	t.match(await call('text', {}, { timeoutMs: 100 }), { kind: 'timed_out' });
	t.match(await call('broken'), { kind: 'broken', why: /occurs twice/ });
	t.match(await call('pieces'), { kind: 'answered', message: { result: { text: 'ü'.repeat(1000) } } });
	t.match(await call('long'), { kind: 'too_large', why: 'more than 100000 bytes' });
	t.match(await call('large', {}, { maxResultBytes: 1000 }), { kind: 'too_large', why: 'more than 1000 bytes' });
	const notified: JsonObject[] = [];
	await call(
		'storm',
		{},
		{ maxResultBytes: 50_000, downstream: { notify: (message) => notified.push(message), cancelled: new AbortController().signal } },
	);
	t.ok(notified.length > 0 && notified.length < 60, `${notified.length} of a storm were relayed`);
});

t.test('what an agent session was granted before is asked for once the process runs, and at once where it runs already', async (t) => {
	const file = join(folder(t), 'asked');
	const note = `({ id, params }) => { require('fs').appendFileSync(${JSON.stringify(file)}, params.uri + '\\n'); say({ id, result: {} }); }`;
	const { upstreams, upstream, until } = run(t, scriptedCommand(`'resources/subscribe': ${note}`));
	const subscribe = (uri: string) => ({
		upstream: 'local',
		message: { jsonrpc: '2.0', id: 0, method: 'resources/subscribe', params: { uri } },
	});
	const asked = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
	await upstreams.openSession('early', {}, [subscribe('x:1')]);
	await upstream.initializeResult();
	await until(() => asked() === 'x:1\n');
	await upstreams.openSession('late', {}, [subscribe('x:1'), subscribe('x:2')]);
	await until(() => asked() === 'x:1\nx:2\n');
});

t.test('a flood of standard output is read a little at a time, and named', async (t) => {
	const storm = `const more = () => { while (write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { x: 'x'.repeat(5000) } }) + '\\n')); process.stdout.once('drain', more); };`;
	const { call, upstream, until } = run(t, scriptedCommand(`'tools/call': ({ id }) => { say({ id, result: {} }); more(); }`, storm));
	t.match(await call('x'), { kind: 'answered' });
	await until(() => upstream.health.note !== undefined);
	t.match(upstream.health, { state: 'up', note: 'it floods its standard output with messages that answer nothing' });
	const before = process.cpuUsage();
	await new Promise((resolve) => setTimeout(resolve, 1_000));
	const { user, system } = process.cpuUsage(before);
	t.ok(user + system < 700_000, `${Math.round((user + system) / 1_000)} ms of computing in a second of flood`);
});

t.test('a flood of standard error is bounded and named; a process that does not read is not written to', async (t) => {
	const { call, lines, upstream, until } = run(
		t,
		scriptedCommand(
			`'tools/call': ({ id, params }) => { if (params.name === 'deaf') { process.stdin.pause(); return; } for (let n = 0; n < 5000; n++) console.error('\\x1b[31mno ' + n + '\\n' + 'y'.repeat(1500)); say({ id, result: {} }); }`,
		),
	);
	t.match(await call('flood'), { kind: 'answered' });
	await until(() => upstream.health.note !== undefined);
	t.match(upstream.health, { state: 'up', note: 'it floods its standard error: more than 1000 lines in a second' });
	t.ok(
		lines.length < 200 && lines.every((line) => line.length <= 1_000 && !line.includes('\x1b')),
		`${lines.length} lines of 10,000 were passed on`,
	);
	void call('deaf', {}, { timeoutMs: 3_000 });
	const big = { text: 'x'.repeat(4_000_000) };
	const answers = await Promise.all(Array.from({ length: 8 }, () => call('echo', big, { timeoutMs: 2_000 })));
	t.ok(
		answers.some(({ kind, ...rest }) => kind === 'not_sent' && 'why' in rest && rest.why === 'it does not read its input'),
		textOf(answers.map(({ kind }) => kind)),
	);
});

t.test('calls are cancelled and timed out above', async (t) => {
	const file = join(folder(t), 'said');
	const { call, until, upstream } = run(
		t,
		scriptedCommand(
			`'tools/call': () => {}, 'notifications/cancelled': ({ params }) => require('fs').appendFileSync(${JSON.stringify(file)}, params.reason + '\\n')`,
		),
	);
	await upstream.initializeResult();
	const cancelling = new AbortController();
	const cancelled = call('x', {}, { timeoutMs: 1_000, downstream: { notify: () => {}, cancelled: cancelling.signal } });
	t.match(await call('y', {}, { timeoutMs: 100 }), { kind: 'timed_out', why: 'waited 100 ms' });
	cancelling.abort();
	await until(() => existsSync(file) && readFileSync(file, 'utf8').split('\n').length === 3);
	t.equal(readFileSync(file, 'utf8'), 'no answer in time\nthe agent cancelled the call\n');
	t.match(await cancelled, { kind: 'timed_out' });
});

t.test('closing leaves no process behind, not even one that was started by it and ignores signals', async (t) => {
	const pids = join(mkdtempSync(join(tmpdir(), 'toolgate-pids-')), 'pids');
	const script = scriptedCommand(
		`'tools/call': ({ id }) => say({ id, result: {} })`,
		`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`,
	);
	writeFileSync(`${pids}.sh`, `trap '' TERM\necho $$ >> ${pids}\nsleep 1000 & echo $! >> ${pids}\n"$@" & echo $! >> ${pids}\nwait\n`);
	const { upstreams, call } = run(t, { command: 'sh', args: [`${pids}.sh`, script.command, ...script.args] });
	void call('x');
	while (!existsSync(pids) || readFileSync(pids, 'utf8').split('\n').length < 4) await turn();
	const all = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
	t.ok(all.every(isAlive));
	await upstreams.close(0);
	while (all.some(isAlive)) await turn();
	t.equal(all.length, 3);
	t.match(await call('x'), { kind: 'not_sent', why: 'the gateway is closing' });
});
