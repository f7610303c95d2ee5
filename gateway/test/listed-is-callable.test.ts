import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { seeded } from '../soak/random.ts';
import { openAgent } from './agent.ts';
import { build } from './build.ts';
import { json, rawMcpServer } from './raw-mcp-server.ts';
import { rulesBundle } from './rules-bundle.ts';
import { until } from './until.ts';

const TOOLS = Array.from({ length: 10 }, (_, n) => `tool_${n}`);
/** Their descriptions hide characters. */
const HELD = new Set(['tool_3', 'tool_8']);
const PRINCIPALS = Array.from({ length: 6 }, (_, n) => `eval-${n}@example.com`);

type Grants = Readonly<Record<string, readonly string[]>>;

/** Who may use what: about half of everything. */
function anyGrants(seed: number): Grants {
	const random = seeded(seed);
	return Object.fromEntries(PRINCIPALS.map((principal) => [principal, TOOLS.filter(() => random.below(2) === 0)]));
}
const rulesOf = (grants: Grants): string => `
grants := ${JSON.stringify(grants)}

access contains "granted" if input.tool.name in grants[input.principal.id]
`;

t.test(
	'a tool is listed for whom it is granted and while it is not held, at each revision, and exactly what is listed can be called',
	async (t) => {
		const server = await rawMcpServer(t, {
			'tools/list': ({ message }, response) =>
				json(response, 200, {
					jsonrpc: '2.0',
					id: message['id']!,
					result: {
						tools: TOOLS.map((name) => ({ name, description: HELD.has(name) ? 'hides\u200b' : 'shows', inputSchema: { type: 'object' } })),
					},
				}),
			'tools/call': ({ message }, response) => json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { content: [] } }),
		});
		const revisions = await Promise.all(
			[1, 2].map(async (seed) => {
				const grants = anyGrants(seed);
				return { grants, bundle: await rulesBundle(t, rulesOf(grants)) };
			}),
		);
		const bundle = join(t.testdir(), 'bundle.tar.gz');
		copyFileSync(revisions[0]!.bundle, bundle);
		const gateway = await build(t, { upstreams: { raw: { url: server.url } }, config: { policy: { bundle } } });
		const agents = new Map(
			await Promise.all(
				PRINCIPALS.map(async (principal) => [principal, await openAgent(gateway.mcpUrl, { 'x-toolgate-principal': principal })] as const),
			),
		);
		for (const [index, { grants, bundle: next }] of revisions.entries()) {
			copyFileSync(next, `${bundle}.new`);
			renameSync(`${bundle}.new`, bundle);
			await until('the revision', () => gateway.news.filter((text) => / is active/.test(text)).length === index + 1);
			for (const [principal, agent] of agents) {
				const [listed, ...words] = await Promise.all([agent.list(), ...TOOLS.map(async (name) => (await agent.call(name)).word)]);
				const granted = grants[principal]!;
				t.same(
					listed,
					granted.filter((name) => !HELD.has(name)),
					`revision ${index + 1}: what ${principal} is shown`,
				);
				t.same(
					words,
					TOOLS.map((name) => (!granted.includes(name) ? 'error -32602' : HELD.has(name) ? 'quarantined' : 'ok')),
					`revision ${index + 1}: what ${principal} can call`,
				);
			}
		}
		const active = new Set((await gateway.events('&kind=intent')).map(({ revision }) => revision));
		t.equal(active.size, revisions.length, 'each revision has decided');
		t.same(gateway.faults, []);
	},
);
