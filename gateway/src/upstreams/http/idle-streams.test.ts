import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { Pool } from 'undici';
import type { JsonObject } from '../../domain.ts';
import { AnswerReader } from '../answer-reader.ts';
import { Deadline } from '../deadline.ts';
import { holdOwnStream } from '../legacy/own-stream.ts';
import { sendRequest } from '../legacy/send-request.ts';
import { listen } from '../modern/listening.ts';

/** Stands for the 300 s after which undici gives up on a silent answer. */
const SILENCE_MS = 100;

/** A server that begins a stream for every request, is silent for ten times as long as undici waits, and then says `message`. */
async function silentServer(t: Test, message: (request: JsonObject) => JsonObject) {
	let requests = 0;
	const server = createServer((request, response: ServerResponse) => {
		requests++;
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const text = Buffer.concat(chunks).toString();
			const said = message(text === '' ? {} : (JSON.parse(text) as JsonObject));
			response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
			setTimeout(() => response.write(`data: ${JSON.stringify(said)}\n\n`), 10 * SILENCE_MS);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const pool = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
		bodyTimeout: SILENCE_MS,
		headersTimeout: SILENCE_MS,
	});
	t.teardown(async () => {
		await pool.destroy();
		server.closeAllConnections();
		server.close();
	});
	return {
		pool,
		endpoint: { dispatcher: pool, streams: pool, path: '/', headers: ['content-type', 'application/json'] },
		count: () => requests,
	};
}

const CHANGED = { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} };

t.test("attack 19: a stream that is silent for longer than undici's 300 s stays open, and loses nothing", async (t) => {
	await t.test('which undici would end', async (t) => {
		const { pool } = await silentServer(t, () => CHANGED);
		const { body } = await pool.request({ path: '/', method: 'GET' });
		await t.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT' });
	});

	await t.test('the stream that a session of the legacy era holds', async (t) => {
		const { endpoint, count } = await silentServer(t, () => CHANGED);
		const ending = new AbortController();
		const heard = Promise.withResolvers<unknown>();
		const held = holdOwnStream(endpoint, ending.signal, { onMessage: heard.resolve, onGap: () => t.fail('there was a gap') });
		t.match(await heard.promise, { kind: 'notification', method: CHANGED.method });
		ending.abort();
		t.equal(await held, 'ended');
		t.equal(count(), 1);
	});

	await t.test('the stream that listens in the modern era', async (t) => {
		const { endpoint, count } = await silentServer(t, ({ id }) => ({
			...CHANGED,
			params: { _meta: { 'io.modelcontextprotocol/subscriptionId': id! } },
		}));
		const ending = new AbortController();
		const heard = Promise.withResolvers<unknown>();
		const listening = listen(endpoint, () => ({ jsonrpc: '2.0', id: 7, method: 'subscriptions/listen', params: {} }), ending.signal, {
			onAcknowledged: () => {},
			onNotification: heard.resolve,
			onGap: () => t.fail('there was a gap'),
		});
		t.match(await heard.promise, { method: CHANGED.method });
		ending.abort();
		await listening;
		t.equal(count(), 1);
	});

	await t.test('the stream of a call, until its own time is over', async (t) => {
		const { endpoint, count } = await silentServer(t, ({ id }) => ({ jsonrpc: '2.0', id: id!, result: { content: [] } }));
		const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call' });
		const reader = () => new AnswerReader(7, 1_000, () => {});
		t.match(await sendRequest(endpoint, body, reader(), new Deadline(60_000)), { kind: 'answered' });
		t.match(await sendRequest(endpoint, body, reader(), new Deadline(2 * SILENCE_MS)), { kind: 'failed', isTimeout: true });
		t.equal(count(), 2);
	});
});
