import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { openSession } from '../agents.ts';
import { median } from '../load.ts';
import type { Figure, Plan } from './figure.ts';
import type { McpStack } from './stack.ts';

const EVERY_MS = 3;

interface Delays {
	/** From the sending of the call to the first event, less how long the upstream waits before that. */
	readonly firstMs: number;
	/** From an event's sending by the upstream to its arrival. */
	readonly eventMs: number;
}

/** How much later than without the gateway an agent has the first event of an answer, and each of the others. */
export async function* measureEvents(stack: McpStack, plan: Plan): AsyncGenerator<Figure> {
	const server = await stack.gateway({ u0: stack.upstreamUrl });
	const [straight, through] = [await caller(stack.upstreamUrl), await caller(server.url)];
	const delays: Record<'straight' | 'through', Delays[]> = { straight: [], through: [] };
	for (const call of [straight, through]) await call(plan.events);
	for (let round = 0; round < plan.rounds; round++) {
		delays.straight.push(await straight(plan.events));
		delays.through.push(await through(plan.events));
	}
	await server.stop();
	const least = (of: readonly Delays[], key: keyof Delays) => Math.min(...of.map((each) => each[key]));
	for (const [key, what] of [
		['firstMs', 'added to the first event'],
		['eventMs', 'added to an event'],
	] as const) {
		const [with_, without] = [least(delays.through, key), least(delays.straight, key)];
		yield { what, value: with_ - without, unit: 'ms', more: `${with_.toFixed(3)} over ${without.toFixed(3)}, medians` };
	}
}

/** Has one tool call streamed, again and again. @throws {Error} an event is missing. */
async function caller(url: string): Promise<(events: number) => Promise<Delays>> {
	const { connection, headers } = await openSession(url, 0, 'x@bench.example.com');
	connection.close();
	const agent = new Agent({ keepAlive: true });
	let id = 0;
	return async (events) => {
		const firsts: number[] = [];
		const delays: number[] = [];
		for (let call = 0; call < 20; call++) {
			const began = process.hrtime.bigint();
			const sending = request(url, { method: 'POST', agent, headers: { ...headers, 'content-type': 'application/json' } });
			const params = { name: 'stream', arguments: { events, everyMs: EVERY_MS }, _meta: { progressToken: 'p' } };
			sending.end(JSON.stringify({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params }));
			const [response] = (await once(sending, 'response')) as [IncomingMessage];
			let seen = 0;
			for await (const chunk of response.setEncoding('utf8')) {
				const now = process.hrtime.bigint();
				for (const [, sent] of String(chunk).matchAll(/"message":"(\d+)"/g)) {
					if (seen++ === 0) firsts.push(Number(now - began) / 1e6 - EVERY_MS);
					delays.push(Number(now - BigInt(sent!)) / 1e6);
				}
			}
			if (seen !== events) throw new Error(`${url} passed on ${seen} of ${events} events`);
		}
		return { firstMs: median(firsts), eventMs: median(delays) };
	};
}
