import type { FastifyReply } from 'fastify';
import { onClosed } from '../on-closed.ts';

/** One server-sent event; without a name it is a `message`. */
export interface ServerSentEvent {
	readonly event?: string;
	readonly data: unknown;
}

const KEEP_ALIVE_MS = 15_000;

/**
 * Streams events as slowly as the reader reads, until they end or the reader goes; then `stop` is aborted. Every 15 s a comment shows that the
 * stream lives, if `mayGoOn` still says so.
 */
export async function sendEvents(
	reply: FastifyReply,
	events: AsyncIterable<ServerSentEvent>,
	stop: AbortController,
	mayGoOn: () => Promise<boolean> = async () => true,
): Promise<void> {
	const headers = reply.getHeaders();
	const { raw } = reply.hijack();
	raw.writeHead(200, {
		...(headers as Record<string, string>),
		'content-type': 'text/event-stream',
		'cache-control': 'no-store',
		'x-accel-buffering': 'no',
	});
	// Who asks for the head alone would wait for ever.
	if (reply.request.method === 'HEAD') return void raw.end();
	raw.write(': stream\n\n');
	onClosed(raw, () => stop.abort());
	const keepAlive = async () => {
		if (await mayGoOn().catch(() => false)) raw.write(': alive\n\n');
		else stop.abort();
	};
	const timer = setInterval(() => void keepAlive(), KEEP_ALIVE_MS);
	try {
		for await (const { event, data } of events) {
			const isRead = raw.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
			if (!isRead && !stop.signal.aborted) await new Promise((resume) => raw.once('drain', resume).once('close', resume));
		}
	} finally {
		clearInterval(timer);
		raw.end();
	}
}
