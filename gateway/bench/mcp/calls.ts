import { type BenchAgent, mcpAgent } from '../agents.ts';
import { drive, type Driven } from '../load.ts';
import type { ServerProcess } from '../server-process.ts';
import type { Figure, Plan } from './figure.ts';
import type { McpStack } from './stack.ts';

interface Contestant {
	readonly what: string;
	readonly server: ServerProcess;
	/** Names; each agent calls one. */
	readonly tools: readonly string[];
	readonly agents: BenchAgent[];
	cpuUs: number;
	callsPerSecond: number;
}

/** How much more the largest number of tools may cost than the smallest: as good as nothing, on a machine that does other things too. */
const FLAT = 1.2;

/** Calls through one and ten upstreams, and through one that has more and more tools: CPU time per call, in turns, the best round of each. */
export async function* measureCalls(stack: McpStack, plan: Plan): AsyncGenerator<Figure> {
	const { upstreamUrl } = stack;
	const names = Array.from({ length: 10 }, (_, n) => `u${n}`);
	const one: Contestant = contestant('a call through one upstream', await stack.gateway({ u0: upstreamUrl }), ['echo']);
	const ten: Contestant = contestant(
		'a call through one of ten',
		await stack.gateway(Object.fromEntries(names.map((name) => [name, upstreamUrl]))),
		names.map((name) => `${name}__echo`),
	);
	const growing: Contestant[] = [];
	for (const count of plan.beside)
		growing.push(contestant(`a call of one of ${count} tools`, await stack.gateway({ u0: `${upstreamUrl}?tools=${count}` }), ['echo']));
	const all = [one, ten, ...growing];
	try {
		// Only now: a connection that lies idle for a minute is closed by the gateway.
		for (const { server, tools, agents } of all) {
			for (let n = 0; n < plan.agents; n++) agents.push(await mcpAgent(server.url, tools[n % tools.length]!, n));
			await drive(agents, plan.warmUpMs);
		}
		for (let round = 0; round < plan.rounds; round++) for (const each of all) await measureRound(each, plan);
	} finally {
		for (const { agents } of all) for (const agent of agents) agent.close();
		for (const { server } of all) await server.stop();
	}
	for (const { what, cpuUs, callsPerSecond } of all)
		yield { what, value: cpuUs, unit: 'CPU µs', more: `${callsPerSecond.toFixed(0)} calls/s` };
	yield { what: 'ten upstreams over one', value: ten.cpuUs / one.cpuUs, unit: '×' };
	const [least, most] = [growing[0]!, growing.at(-1)!];
	yield { what: `${plan.beside.at(-1)} tools over ${plan.beside[0]}`, value: most.cpuUs / least.cpuUs, unit: '×', goal: FLAT };
}

const contestant = (what: string, server: ServerProcess, tools: readonly string[]): Contestant => ({
	what,
	server,
	tools,
	agents: [],
	cpuUs: Infinity,
	callsPerSecond: 0,
});

async function measureRound(each: Contestant, { loadMs }: Plan): Promise<void> {
	const beforeMs = each.server.cpuMs();
	const driven: Driven = await drive(each.agents, loadMs);
	each.cpuUs = Math.min(each.cpuUs, ((each.server.cpuMs() - beforeMs) * 1_000) / driven.calls);
	each.callsPerSecond = Math.max(each.callsPerSecond, driven.callsPerSecond);
}
