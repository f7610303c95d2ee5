import { randomInt } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import t from 'tap';
import { seeded } from '../../soak/random.ts';
import { endOf, openAgent, post } from '../agent.ts';
import { build } from '../build.ts';
import { rulesBundle } from '../rules-bundle.ts';
import { sdkMcpServer } from '../sdk-mcp-server.ts';
import { hostileCall, RULES } from './hostile-calls.ts';

/** `npm run policy:hostile` goes on for ten minutes; here are so many calls that every kind comes several times. */
const CALLS = 250;
const minutes = Number(process.env['TOOLGATE_HOSTILE_MINUTES'] ?? 0);
const seed = minutes > 0 ? randomInt(2 ** 31) : 7;

/** Gives back what it was called with. */
function echoServer(): McpServer {
	const made = new McpServer({ name: 'echo', version: '1' }, { capabilities: { tools: {} } });
	made.server.setRequestHandler(ListToolsRequestSchema, async () => ({
		tools: [{ name: 'echo', inputSchema: { type: 'object' as const } }],
	}));
	made.server.setRequestHandler(CallToolRequestSchema, async ({ params }) => ({
		content: [{ type: 'text' as const, text: JSON.stringify(params.arguments ?? {}) }],
	}));
	return made;
}

t.test(
	'hostile arguments end as they have to, one by one, and healthy calls between them and afterwards are answered rightly',
	async (t) => {
		const upstream = await sdkMcpServer(t, echoServer, 'json');
		const gateway = await build(t, {
			upstreams: { mock: { url: upstream.url } },
			config: { policy: { bundle: await rulesBundle(t, RULES) } },
		});
		const { sessionId, list } = await openAgent(gateway.mcpUrl);
		t.strictSame(await list(), ['echo']);
		let id = 100;
		const call = async (argumentsText: string) => {
			const body = `{"jsonrpc": "2.0", "id": ${++id}, "method": "tools/call", "params": {"name": "echo", "arguments": ${argumentsText}}}`;
			return endOf(JSON.parse((await post(gateway.mcpUrl, body, { 'mcp-session-id': sessionId })).text) as Parameters<typeof endOf>[0]);
		};
		const random = seeded(seed);
		/** In ASCII: a report can't be trusted with what is sent here. */
		const wrong: string[] = [];
		const isWrong = (what: object) =>
			wrong.push(JSON.stringify(what).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`));
		/** Exactly what was sent comes back; and what is forbidden is still denied. */
		const healthy = async () => {
			const sent = JSON.stringify({ note: `a thread ${random.below(1e9)}`, amount: random.below(100) });
			const answered = await call(sent);
			if (answered.word !== 'ok' || answered.text !== sent) isWrong({ healthy: sent, ...answered });
			const denied = await call(`{"amount": ${101 + random.below(1e6)}}`);
			if (denied.word !== 'deny' || !denied.text.includes('too much')) isWrong({ forbidden: true, ...denied });
		};
		const ends = new Map<string, number>();
		const rssMB: number[] = [];
		const untilMs = performance.now() + minutes * 60_000;
		let calls = 0;
		for (; calls < CALLS || performance.now() < untilMs; calls++) {
			const { kind, argumentsText, ends: expected } = hostileCall(random);
			const end = await call(argumentsText);
			const name = `${kind} → ${end.word}`;
			ends.set(name, (ends.get(name) ?? 0) + 1);
			if (!expected.includes(end.word))
				isWrong({ kind, argumentsText: argumentsText.slice(0, 200), expected, word: end.word, text: end.text.slice(0, 200) });
			if (wrong.length > 5) break;
			if (calls % 10 === 0) await healthy();
			if (calls % 2_000 === 1_000) {
				rssMB.push(Math.round(process.memoryUsage.rss() / 1e6));
				upstream.requests.length = 0;
			}
		}
		for (let left = 20; left > 0; left--) await healthy();
		t.strictSame(wrong, [], `seed ${seed}`);
		t.strictSame(
			gateway.faults.filter((error) => (error as Error).name !== 'PolicyError'),
			[],
			'nothing unexpected in the log',
		);
		t.comment(`seed ${seed}, ${calls} hostile calls; RSS ${rssMB.join(' ')} MB`);
		for (const [name, count] of [...ends].sort(([a], [b]) => (a < b ? -1 : 1))) t.comment(`${name}: ${count}`);
		const runaway = (await gateway.events('&outcome=policy_error')).findLast(({ message }) => message?.includes('fuel'));
		t.match(
			runaway?.message,
			/policy stopped after 2000000 units of fuel \(in data\.toolgate\.rules\.test\.finding\)/,
			'the trail names the rule',
		);
	},
);
