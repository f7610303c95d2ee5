import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { event, json, rawMcpServer, stream } from '../../test/raw-mcp-server.ts';
import type { JsonObject } from '../domain.ts';
import type { UpstreamSettings } from './upstreams.ts';
import { Upstreams } from './upstreams.ts';

/** Upstreams that flood what is held open: memory stays bounded, and calls go on. */

const answerTo = (id: unknown): JsonObject => ({ jsonrpc: '2.0', id: id as number, result: { content: [] } });
const MiB = 1024 * 1024;

interface Flooded {
	readonly upstreams: Upstreams;
	readonly server: Awaited<ReturnType<typeof rawMcpServer>>;
	stale(): number;
	call(): ReturnType<Upstreams['call']>;
	until(holds: () => boolean): Promise<void>;
}

/** An upstream whose held stream is written by `flood`, in the era that is configured. */
async function flooded(t: Test, era: 'legacy' | 'modern', flood: (response: ServerResponse, id: unknown) => void): Promise<Flooded> {
	let stale = 0;
	const server = await rawMcpServer(t, {
		GET: (_, response) => flood(stream(response), undefined),
		'subscriptions/listen': ({ message }, response) => flood(stream(response), message['id']),
		'server/discover': ({ message }, response) =>
			json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: { supportedVersions: ['2026-07-28'], capabilities: {} } }),
		'tools/call': ({ message }, response) => json(response, 200, answerTo(message['id'])),
	});
	const settings: UpstreamSettings = { url: server.url, headers: {}, timeoutMs: 5_000, era, serverRequests: ['elicitation'] };
	const upstreams = new Upstreams({ bad: settings }, { maxResultBytes: 100_000, version: '0', onStale: () => stale++ });
	t.teardown(() => upstreams.close(0));
	await upstreams.all[0]!.initializeResult();
	return {
		upstreams,
		server,
		stale: () => stale,
		call: () =>
			upstreams.call({
				upstream: 'bad',
				message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } },
				downstream: { notify: () => {}, cancelled: new AbortController().signal },
			}),
		until: async (holds) => {
			while (!holds()) await turn();
		},
	};
}

/** Writes as long as the other side reads; returns how many bytes that were. */
function pump(response: ServerResponse, piece: string): () => number {
	let written = 0;
	const write = () => {
		for (let full = false; !full && !response.destroyed; written += piece.length) full = !response.write(piece);
		if (!response.destroyed) response.once('drain', write);
	};
	write();
	return () => written;
}

for (const era of ['legacy', 'modern'] as const) {
	const floods: [string, string][] = [
		['a line that never ends', `data: ${'x'.repeat(65_536)}`],
		['bytes that say nothing', ': keep-alive\n\n'.repeat(1_000)],
		[
			'messages that mean nothing',
			[
				'data: not json\n\n',
				'data: []\n\n',
				event({ jsonrpc: '2.0', id: 4711, method: 'nothing/known' }),
				event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'y'.repeat(500) } }),
				event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }),
			]
				.join('')
				.repeat(20),
		],
	];
	for (const [name, piece] of floods) {
		t.test(`attack 19: in the ${era} era a held stream of ${name} is cut`, async (t) => {
			let written = () => 0;
			let held: ServerResponse | undefined;
			const { call, until } = await flooded(t, era, (response) => {
				held = response;
				written = pump(response, piece);
			});
			await until(() => held?.destroyed === true);
			t.ok(written() < 16 * MiB, `cut after ${written()} bytes`);
			t.match(await call(), { kind: 'answered' });
		});
	}
}

t.test('a storm of questions outside of calls is answered in part, and costs no call its place', async (t) => {
	let isOver = false;
	const { call, server, until } = await flooded(t, 'legacy', (response) => {
		for (let n = 0; n < 20_000; n++) response.write(event({ jsonrpc: '2.0', id: `q${n}`, method: 'elicitation/create', params: {} }));
		response.write(event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }), () => (isOver = true));
	});
	t.match(await call(), { kind: 'answered' });
	await until(() => isOver);
	await server.seen(({ message }) => message['id'] === 'q0');
	const answered = server.received.filter(({ message }) => message['error'] !== undefined).length;
	t.ok(answered >= 1 && answered < 10_000, `${answered} of 20,000 were answered`);
	t.match(await call(), { kind: 'answered' });
});

t.test('a call whose upstream asks without end comes to its end', async (t) => {
	const server = await rawMcpServer(t, {
		'tools/call': ({ message }, response) => {
			stream(response);
			for (let n = 0; n < 5_000; n++) response.write(event({ jsonrpc: '2.0', id: n, method: 'elicitation/create', params: {} }));
			response.end(event(answerTo(message['id'])));
		},
	});
	const upstreams = new Upstreams(
		{ bad: { url: server.url, headers: {}, timeoutMs: 5_000, era: 'legacy', serverRequests: ['elicitation'] } },
		{ maxResultBytes: 100_000, version: '0', onStale: () => {} },
	);
	t.teardown(() => upstreams.close(0));
	let asked = 0;
	const answer = await upstreams.call({
		upstream: 'bad',
		message: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } },
		downstream: {
			notify: () => {},
			clientCapabilities: { elicitation: {} },
			cancelled: new AbortController().signal,
			request: (_, signal) => (asked++, new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('withdrawn'))))),
		},
	});
	t.match(answer, { kind: 'answered' });
	t.equal(asked, 8, 'an agent is asked so much at once, and no more');
});
