import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import fastify from 'fastify';
import t from 'tap';
import { sendEvents } from './server-sent-events.ts';

/** Events for as long as somebody reads. */
async function* whileRead(signal: AbortSignal) {
	yield { data: 'first' };
	if (!signal.aborted) await once(signal, 'abort');
}

async function aServer(before: (gone: Promise<unknown>) => Promise<unknown>) {
	const app = fastify();
	const { promise: isOver, resolve } = Promise.withResolvers<void>();
	const { promise: isReached, resolve: reached } = Promise.withResolvers<void>();
	app.get('/', async (request, reply) => {
		const gone = once(request.raw.socket, 'close');
		reached();
		await before(gone);
		const stop = new AbortController();
		await sendEvents(reply, whileRead(stop.signal), stop);
		resolve();
	});
	await app.listen({ port: 0, host: '127.0.0.1' });
	t.teardown(() => app.close());
	const { port } = app.server.address() as AddressInfo;
	const socket = connect(port, '127.0.0.1').setEncoding('utf8');
	socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
	return { socket, isReached, isOver };
}

t.test('a stream ends when its reader goes', async (t) => {
	const { socket, isOver } = await aServer(async () => {});
	let said = '';
	for await (const chunk of socket) if ((said += chunk as string).includes('data: "first"')) break;
	t.match(said, /content-type: text\/event-stream/);
	socket.destroy();
	await isOver;
});

t.test('a reader who went before the stream began leaves none behind', async () => {
	const { socket, isReached, isOver } = await aServer((gone) => gone);
	await isReached;
	socket.destroy();
	await isOver;
});
