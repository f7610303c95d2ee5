import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAgent } from './agent.ts';
import { build, type Built } from './build.ts';
import { everything, filesystem, memory } from './npm-servers.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { scriptedCommand } from './scripted-command.ts';
import { serve } from './served.ts';
import { until } from './until.ts';

/** Several upstreams behind one gateway, most of them servers from npm that it runs itself. */

const bundle = rulesBundle(t, ALLOW_ALL);
/** Says which process it is. */
const which = scriptedCommand(
	`'tools/list': ({ id }) => say({ id, result: { tools: [{ name: 'which', inputSchema: { type: 'object' } }] } }), 'tools/call': ({ id }) => say({ id, result: { content: [{ type: 'text', text: String(process.pid) }] } })`,
);

const partsOf = async ({ peopleUrl }: Pick<Built, 'peopleUrl'>) => {
	const { parts } = (await (await fetch(`${peopleUrl}/readyz`)).json()) as { parts: { part: string; isReady: boolean; says: string }[] };
	return new Map(parts.map((part) => [part.part, part]));
};

t.test(
	'[upstreams.federation] servers from npm behind one URL, told apart by their names, and none waits for another that is broken',
	async (t) => {
		const root = t.testdir({ 'hello.txt': 'hello from a file' });
		const upstreams = {
			every: everything,
			graph: { ...memory, env: { MEMORY_FILE_PATH: join(root, 'memory.jsonl') } },
			files: filesystem(root),
			absent: { command: 'no-such-command' },
			crashing: { command: 'sh', args: ['-c', 'echo "no API key" >&2; exit 3'] },
			dead: { url: 'http://127.0.0.1:9/mcp' },
		};
		const gateway = await build(t, { config: { upstreams, policy: { bundle: await bundle } } });
		const agent = await openAgent(gateway.mcpUrl);
		const names = await agent.list();
		for (const name of ['every__echo', 'graph__read_graph', 'files__read_text_file']) t.ok(names.includes(name), name);
		t.match(await agent.call('every__echo', { message: 'hi' }), { word: 'ok', text: /Echo: hi/ });
		t.match(await agent.call('graph__create_entities', { entities: [{ name: 'Ada', entityType: 'person', observations: [] }] }), {
			word: 'ok',
		});
		t.match(await agent.call('files__read_text_file', { path: join(root, 'hello.txt') }), { text: /hello from a file/ });
		t.match(await agent.call('files__read_text_file', { path: '/etc/passwd' }), { word: 'tool_error', text: /Access denied/ });
		t.match(await agent.call('echo', { message: 'hi' }), { text: /Unknown tool/ }, 'by its own name it is nobody');
		const uri = 'toolgate+every:demo://resource/static/document/features.md';
		t.match(await agent.request('resources/read', { uri }), { result: { contents: [{ uri, text: /\w/ }] } });

		const parts = await partsOf(gateway);
		t.match(parts.get('upstream every'), { isReady: true, says: /^\d+ tools, \d+ resources and prompts$/ });
		t.match(parts.get('upstream absent'), { isReady: false, says: 'down: 0 tools (command not found: no-such-command' });
		t.match(parts.get('upstream crashing'), { isReady: false, says: /it ended with code 3; its last words: no API key/ });
		t.match(parts.get('upstream dead'), { isReady: false, says: /connection refused/ });
		t.ok(gateway.news.includes('upstream crashing says: no API key'), 'and its words are in the log');
		t.strictSame(gateway.faults, []);

		const alone = await openAgent(`${gateway.mcpUrl}/graph`);
		t.ok(
			(await alone.list()).every((name) => name.startsWith('graph__')),
			'one of them has a URL of its own',
		);
		t.match(await alone.call('every__echo', { message: 'hi' }), { text: /Unknown tool/ });
	},
);

t.test(
	'[upstreams.reload] an upstream comes, changes and goes with the configuration file; sessions and processes of the others stay',
	async (t) => {
		const config = { policy: { bundle: await bundle }, upstreams: { which, graph: memory } as Record<string, unknown> };
		const gateway = await serve(t, config);
		const write = (change: (config: Record<string, unknown>) => void) => {
			const file = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, unknown>;
			change(file);
			writeFileSync(gateway.configFile, JSON.stringify(file));
		};
		const agent = await openAgent(gateway.mcpUrl);
		const lists = (name: string) => async () => (await agent.list().catch((): string[] => [])).includes(name);
		await until('both to be listed', async () => (await lists('which__which')()) && lists('graph__read_graph')());
		const process = (await agent.call('which__which')).text;

		write((file) => (file['upstreams'] = { which, graph: memory, every: everything }));
		await until('the new one to be listed', lists('every__echo'));
		t.match(await agent.call('every__echo', { message: 'hi' }), { text: /Echo: hi/ }, 'in the session that was there before it');
		t.equal((await agent.call('which__which')).text, process);

		write((file) => (file['limits'] = { jsonDepth: 32 }));
		await until('it is told', () => gateway.said().includes('configuration: limits changed; that takes effect with the next start'));
		writeFileSync(`${gateway.configFile}.kept`, readFileSync(gateway.configFile));
		writeFileSync(gateway.configFile, 'upstreams:\n  which: { url: http://127.0.0.1/, command: x }\n');
		await until('why it is not taken over', () =>
			/the changed file is not taken over: .*:2: upstreams\.which: url and command are both set/.test(gateway.said()),
		);
		t.match(await agent.call('every__echo', { message: 'hi' }), { text: /Echo: hi/ });

		writeFileSync(gateway.configFile, readFileSync(`${gateway.configFile}.kept`));
		write((file) => (file['upstreams'] = { which: { ...which, timeoutMs: 30_000 }, graph: memory }));
		await until('the removed one is gone', async () => !(await lists('every__echo')()));
		await until('the changed one is another process', async () => {
			const { word, text } = await agent.call('which__which');
			return word === 'ok' && text !== process;
		});
		const isAlive = (pid: string) => {
			try {
				return globalThis.process.kill(Number(pid), 0);
			} catch {
				return false;
			}
		};
		const last = (await agent.call('which__which')).text;
		t.ok(isAlive(last));
		await gateway.end('SIGTERM');
		t.notOk(isAlive(last), 'nothing outlives the gateway');
		t.notOk(isAlive(process));
	},
);
