import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import type { JsonObject } from '../src/domain.ts';
import { openAgent } from './agent.ts';
import { build } from './build.ts';
import { type Answer, event, json, rawMcpServer, stream } from './raw-mcp-server.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

/** Upstreams that misbehave in one way each, behind a gateway that also has a good one. */

const bundle = rulesBundle(t, ALLOW_ALL);

const answerTo = (id: unknown, text = 'done'): JsonObject => ({
	jsonrpc: '2.0',
	id: id as number,
	result: { content: [{ type: 'text', text }] },
});
const NOISE = event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: 'x'.repeat(1_000) } });

/** Writes as fast as it is read, `most` bytes or for as long as the other side takes it, and then calls `after`. */
function pump(response: ServerResponse, most = Infinity, after = () => {}): void {
	const block = NOISE.repeat(50);
	let written = 0;
	const more = () => {
		while (!response.destroyed && written < most) {
			written += block.length;
			if (!response.write(block)) return void response.once('drain', more);
		}
		if (!response.destroyed) after();
	};
	more();
}

interface Case {
	readonly word: string;
	readonly text: RegExp;
	respond(response: ServerResponse, id: unknown): void;
}

const UNKNOWN = 'outcome_unknown';
const CASES: Readonly<Record<string, Case>> = {
	'sends garbage': {
		word: UNKNOWN,
		text: /may have run/,
		respond: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([0xff, 0x00, 0x7b])),
	},
	'sends HTML': {
		word: UNKNOWN,
		text: /may have run/,
		respond: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>'),
	},
	'answers under a wrong id': {
		word: UNKNOWN,
		text: /may have run/,
		respond: (response, id) => json(response, 200, answerTo(Number(id) + 1)),
	},
	'answers twice': {
		word: 'ok',
		text: /^first$/,
		respond: (response, id) => stream(response, event(answerTo(id, 'first')), event(answerTo(id, 'second'))).end(),
	},
	'sends a storm of notifications': {
		word: 'ok',
		text: /^after the storm$/,
		respond: (response, id) => pump(stream(response), 5_000_000, () => response.end(event(answerTo(id, 'after the storm')))),
	},
	'streams for ever': { word: UNKNOWN, text: /may have run/, respond: (response) => pump(stream(response)) },
	'says nothing for ever': { word: 'upstream_timeout', text: /may have run/, respond: (response) => void stream(response, ': \n\n') },
	'dies between headers and body': {
		word: UNKNOWN,
		text: /may have run/,
		respond(response) {
			response.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 }).flushHeaders();
			setImmediate(() => response.destroy());
		},
	},
	'dies in the middle of its body': {
		word: UNKNOWN,
		text: /may have run/,
		respond(response) {
			response.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 }).write('{"jsonrpc":"2.0",');
			setImmediate(() => response.destroy());
		},
	},
};

const toolList: Answer = ({ message }, response) =>
	json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { tools: [{ name: 'go', inputSchema: { type: 'object' } }] } });

t.test(
	'[mcp.bad-upstreams] whatever an upstream answers, its call has a clear end in the trail, memory is bounded, and calls of others go on',
	async (t) => {
		const good = await rawMcpServer(t, {
			'tools/list': toolList,
			'tools/call': ({ message }, response) => json(response, 200, answerTo(message['id'])),
		});
		const settings: Record<string, object> = { good: { url: good.url, era: 'legacy' } };
		const names = Object.keys(CASES);
		for (const [index, { respond }] of Object.values(CASES).entries()) {
			const { url } = await rawMcpServer(t, {
				'tools/list': toolList,
				'tools/call': ({ message }, response) => respond(response, message['id']),
			});
			settings[`bad${index}`] = { url, era: 'legacy', timeoutMs: 5_000 };
		}
		const gateway = await build(t, {
			upstreams: settings as never,
			config: { policy: { bundle: await bundle }, limits: { resultBytes: 1_000_000 } },
		});
		const agent = await openAgent(gateway.mcpUrl);
		const bystander = await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': 'bob@example.com' });
		let isOver = false;
		const words: string[] = [];
		const others = (async () => {
			while (!isOver) words.push((await bystander.call('good__go')).word);
		})();
		const before = process.memoryUsage().rss;
		const ends = await Promise.all(names.map((_, index) => agent.call(`bad${index}__go`)));
		const grown = process.memoryUsage().rss - before;
		isOver = true;
		await others;
		for (const [index, name] of names.entries()) {
			const { word, text } = CASES[name]!;
			t.match(ends[index], { word, text }, `one that ${name}`);
		}
		t.ok(words.length > 0 && words.every((word) => word === 'ok'), `none of ${words.length} calls of somebody else failed`);
		t.ok(grown < 200_000_000, `${Math.round(grown / 1e6)} MB more, while one streams without end`);
		t.same(
			(await gateway.events('&kind=outcome&principal=alice@example.com')).map(({ server, outcome }) => `${server} ${outcome}`).sort(),
			names.map((name, index) => `bad${index} ${CASES[name]!.word}`).sort(),
			'each has one outcome',
		);
		t.match(await agent.call('good__go'), { word: 'ok' });
		t.strictSame(gateway.faults, []);
	},
);

/** Processes whose parent this one is: state and command line. */
function children(): { state: string; command: string }[] {
	return readdirSync('/proc').flatMap((pid) => {
		if (!/^\d+$/.test(pid)) return [];
		try {
			const [, state, parent] = /^\d+ \(.*\) (\S) (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
			return Number(parent) === process.pid ? [{ state: state!, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }] : [];
		} catch {
			return []; // it has ended meanwhile
		}
	});
}

t.test(
	'[mcp.bad-upstreams] a command that does not exist, crashes at start or floods its standard error is named in /readyz, tried again with back-off, and leaves no zombie',
	{ skip: !existsSync('/proc/self/stat') && 'only where /proc tells of processes' },
	async (t) => {
		const folder = t.testdir({ starts: '' });
		const starts = () => readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n').map(Number);
		const flood = `require('fs').writeSync(2, 'no '.repeat(300) + '\\n'); const more = () => { while (process.stderr.write('y'.repeat(1000) + '\\n')); process.stderr.once('drain', more); }; more();`;
		const script = `${flood} require('readline').createInterface({ input: process.stdin }).on('line', (line) => { const { id, method } = JSON.parse(line); if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } } : { tools: [] } })); });`;
		const upstreams = {
			absent: { command: 'no-such-command' },
			crashing: { command: 'sh', args: ['-c', `date +%s%N >> ${join(folder, 'starts')}; echo "no API key" >&2; exit 3`] },
			flooding: { command: process.execPath, args: ['-e', script] },
		};
		const gateway = await build(t, { config: { upstreams, policy: { bundle: await bundle } } });
		const parts = async () => {
			const response = await fetch(`${gateway.peopleUrl}/readyz`);
			t.equal(response.status, 200, 'no upstream makes the gateway unready');
			const { parts } = (await response.json()) as { parts: { part: string; says: string }[] };
			return Object.fromEntries(parts.map(({ part, says }) => [part, says]));
		};
		await until('the flood to be seen', async () => /floods its standard error/.test((await parts())['upstream flooding'] ?? ''));
		await until('four starts', () => starts().length >= 4);
		t.match(await parts(), {
			'upstream absent': /command not found: no-such-command/,
			'upstream crashing': /code 3; its last words: no API key/,
		});
		const pausesMs = starts()
			.slice(1, 4)
			.map((ns, index) => (ns - starts()[index]!) / 1e6);
		t.ok(
			pausesMs.every((pause, index) => pause > 400 * 2 ** index),
			`each pause is longer than the one before: ${pausesMs.map(Math.round).join(', ')} ms`,
		);
		t.same(
			children().filter(({ state }) => state === 'Z'),
			[],
			'no zombie',
		);
		await gateway.close();
		await until(
			'every process to be gone',
			() => !children().some(({ command }) => command.includes('stderr') || command.includes('starts')),
		);
	},
);
