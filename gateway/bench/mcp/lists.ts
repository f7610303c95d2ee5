import { openSession } from '../agents.ts';
import { drive } from '../load.ts';
import type { Figure, Plan } from './figure.ts';
import type { McpStack } from './stack.ts';

const GOAL_MS: Readonly<Record<number, number>> = { 1_000: 5 };
/** Ends on a digit that one tool name in ten ends on: the policy hides those. */
const PRINCIPAL = '7@bench.example.com';

/** `tools/list` for one principal, from the cache, every tool decided: CPU time and time of one list. */
export async function* measureLists(stack: McpStack, { listed, warmUpMs, loadMs, rounds }: Plan): AsyncGenerator<Figure> {
	for (const count of listed) {
		const server = await stack.gateway({ u0: `${stack.upstreamUrl}?tools=${count}` });
		const { connection, head } = await openSession(server.url, 0, PRINCIPAL);
		let bytes = 0;
		const agent = {
			async call() {
				const { text } = await connection.post(head, '{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
				bytes = text.length;
				if (!text.includes('"tool_') || text.includes('"tool_7"')) throw new Error(`not the list of ${PRINCIPAL}: ${text.slice(0, 200)}`);
			},
			close: () => connection.close(),
		};
		await drive([agent], warmUpMs);
		let [cpuMs, p50Ms] = [Infinity, Infinity];
		for (let round = 0; round < rounds; round++) {
			const beforeMs = server.cpuMs();
			const driven = await drive([agent], loadMs);
			cpuMs = Math.min(cpuMs, (server.cpuMs() - beforeMs) / driven.calls);
			p50Ms = Math.min(p50Ms, driven.p50Ms);
		}
		agent.close();
		await server.stop();
		const goal = GOAL_MS[count];
		yield {
			what: `tools/list of ${count}`,
			value: p50Ms,
			unit: 'ms',
			...(goal === undefined ? {} : { goal }),
			more: `${cpuMs.toFixed(2)} CPU ms, ${(bytes / 1024).toFixed(0)} kB`,
		};
	}
}
