import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { loadConfig } from '../src/config.ts';
import { ConfigWatch } from '../src/config-watch.ts';
import { openAgent } from './agent.ts';
import { build, type Built } from './build.ts';
import { ALLOW_ALL, rulesBundle } from './rules-bundle.ts';
import { sdkMcpServer } from './sdk-mcp-server.ts';
import { until } from './until.ts';

type Upstreams = Record<string, { url: string; timeoutMs?: number }>;

const server = (t: Test, tool: string) =>
	sdkMcpServer(
		t,
		() => {
			const made = new McpServer({ name: tool, version: '1' });
			made.registerTool(tool, { inputSchema: { text: z.string() } }, async ({ text }) => ({ content: [{ type: 'text', text }] }));
			return made;
		},
		'json',
	);

/** Watches the configuration as `toolgate serve` does. Returns how to change its upstreams in the file, as an editor does. */
async function watched(t: Test, built: Built): Promise<(upstreams: Upstreams) => void> {
	const { configFile, gateway, news } = built;
	const watch = new ConfigWatch({
		loaded: loadConfig(configFile, {}),
		load: () => loadConfig(configFile, {}),
		apply: (upstreams) => gateway.configureUpstreams(upstreams),
		onNews: (text) => news.push(text),
		onFault: (error) => t.fail(String(error)),
	});
	await watch.start();
	t.teardown(() => watch.close());
	return (upstreams) => {
		const config = JSON.parse(readFileSync(configFile, 'utf8')) as object;
		writeFileSync(`${configFile}.new`, JSON.stringify({ ...config, upstreams }));
		renameSync(`${configFile}.new`, configFile);
	};
}

t.test(
	'[upstreams.reload-under-load] upstreams come, change and go in toolgate.yaml while calls flow: seen within about a second, none fails, no other session is touched',
	async (t) => {
		const [one, two, three, other] = await Promise.all(['one', 'two', 'three', 'other'].map((tool) => server(t, tool)));
		const upstreams: Upstreams = { one: { url: one!.url }, two: { url: two!.url } };
		const built = await build(t, { upstreams, config: { policy: { bundle: await rulesBundle(t, ALLOW_ALL) } } });
		const change = await watched(t, built);
		const words: string[] = [];
		let isOver = false;
		const flowing = Array.from({ length: 8 }, async (_, n) => {
			const agent = await openAgent(built.mcpUrl);
			while (!isOver) words.push((await agent.call(n % 2 === 0 ? 'one__one' : 'two__two', { text: 'x' })).word);
		});
		const agent = await openAgent(built.mcpUrl);
		await until('calls to flow', () => words.length > 50);
		const initialized = () => [one!, two!].map(({ requests }) => requests.filter(({ body }) => body.includes('"initialize"')).length);
		const before = initialized();

		const steps: [what: string, upstreams: Upstreams, tool: string, isThere: boolean][] = [
			['added', { ...upstreams, three: { url: three!.url } }, 'three__three', true],
			['changed', { ...upstreams, three: { url: other!.url } }, 'three__other', true],
			['removed', upstreams, 'three__other', false],
		];
		for (const [what, wanted, tool, isThere] of steps) {
			const calls = words.length;
			const beganMs = performance.now();
			change(wanted);
			await until(`the upstream that was ${what}`, async () => (await agent.list()).includes(tool) === isThere);
			// A second is the promise where the machine has nothing else to do; tests share theirs.
			t.comment(`${what}: seen after ${Math.round(performance.now() - beganMs)} ms and ${words.length - calls} calls`);
			t.equal((await agent.call(tool, { text: 'x' })).word, isThere ? 'ok' : 'error -32602', what);
		}
		isOver = true;
		await Promise.all(flowing);
		t.strictSame(
			words.filter((word) => word !== 'ok'),
			[],
			`none of ${words.length} calls failed`,
		);
		t.strictSame(initialized(), before, 'the sessions on the others are the same ones');
		t.match(
			built.news.filter((text) => text.startsWith('configuration:')),
			[/added three/, /changed three/, /removed three/],
		);
	},
);

t.test('a call that runs on an upstream when that goes ends with its answer', async (t) => {
	const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
	const slow = await sdkMcpServer(t, () => {
		const made = new McpServer({ name: 'slow', version: '1' });
		made.registerTool('slow', {}, async () => {
			await answered;
			return { content: [{ type: 'text', text: 'done' }] };
		});
		return made;
	});
	const quick = await server(t, 'quick');
	const all: Upstreams = { quick: { url: quick.url }, slow: { url: slow.url } };
	const built = await build(t, { upstreams: all, config: { policy: { bundle: await rulesBundle(t, ALLOW_ALL) } } });
	const change = await watched(t, built);
	const agent = await openAgent(built.mcpUrl);
	const running = agent.call('slow__slow');
	await until('the call to run', () => slow.requests.some(({ body }) => body.includes('"tools/call"')));
	change({ quick: all['quick']!, another: { url: quick.url } });
	await until('the upstream to be gone', async () => !(await agent.list()).includes('slow__slow'));
	answer();
	t.match(await running, { word: 'ok', text: 'done' });
});
