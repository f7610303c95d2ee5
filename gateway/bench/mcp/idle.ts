import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { openSession } from '../agents.ts';
import type { Figure, Plan } from './figure.ts';
import type { McpStack } from './stack.ts';

/** kB; of a session with its stream, and its session with the upstream. */
const GOAL_KB = 30;
const CHANGES = 3;
const HEARD_WITHIN_MS = 60_000;

interface IdleStream {
	heard: number;
	readonly request: ClientRequest;
}

/** Streams on which nothing happens: what each costs, and whether all of them hear of what happens at last. */
export async function* measureIdle(stack: McpStack, { streams: count }: Plan): AsyncGenerator<Figure> {
	const server = await stack.gateway({ u0: stack.upstreamUrl });
	const streams: IdleStream[] = [];
	const open = async (until: number) => {
		while (streams.length < until) streams.push(await openStream(server.url, streams.length));
		await settled(() => server.rssBytes());
		return server.rssBytes();
	};
	try {
		// The first ones pay for what all of them use, above all for the room that opening so many takes.
		const none = await open(0);
		const before = await open(count);
		const after = await open(2 * count);
		const more = `${((after - none) / 1024 / 2 / count).toFixed(1)} kB from the first one on`;
		yield { what: `each of ${count} idle streams`, value: (after - before) / 1024 / count, unit: 'kB', goal: GOAL_KB, more };

		let lost = 0;
		for (let change = 0; change < CHANGES; change++) {
			// What was told of the start is over, and so is the second in which two changes would be told as one.
			await settled(() => -heardOf(streams));
			for (const each of streams) each.heard = 0;
			await fetch(new URL('/change', stack.upstreamUrl), { method: 'POST' });
			const endMs = performance.now() + HEARD_WITHIN_MS;
			while (streams.some(({ heard }) => heard === 0) && performance.now() < endMs) await delay(20);
			lost += streams.filter(({ heard }) => heard !== 1).length;
		}
		yield { what: 'events lost', value: lost, unit: `of ${streams.length * CHANGES}`, goal: 0 };
	} finally {
		for (const each of streams) each.request.destroy();
		await server.stop();
	}
}

async function openStream(url: string, n: number): Promise<IdleStream> {
	const { connection, headers } = await openSession(url, n);
	connection.close();
	const opening = request(url, { headers: { ...headers, accept: 'text/event-stream' }, agent: false });
	opening.on('error', () => {});
	opening.end();
	const [response] = (await once(opening, 'response')) as [IncomingMessage];
	if (response.statusCode !== 200) throw new Error(`${url} opened no stream: ${response.statusCode}`);
	const stream: IdleStream = { heard: 0, request: opening };
	response.setEncoding('utf8').on('data', (chunk: string) => {
		stream.heard += chunk.split('/list_changed').length - 1;
	});
	response.on('error', () => {});
	return stream;
}

const heardOf = (streams: readonly IdleStream[]): number => streams.reduce((sum, { heard }) => sum + heard, 0);

/** Resolves when the figure has not fallen for a while. */
async function settled(figure: () => number): Promise<void> {
	let least = figure();
	for (let quiet = 0; quiet < 6; ) {
		await delay(400);
		const now = figure();
		quiet = now < least ? 0 : quiet + 1;
		least = Math.min(least, now);
	}
}
