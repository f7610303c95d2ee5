import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { JsonObject } from '../src/domain.ts';

/** What an upstream of the tests was sent. */
export interface Received {
	readonly httpMethod: string;
	readonly headers: IncomingHttpHeaders;
	/** Empty for GET and DELETE. */
	readonly message: JsonObject;
}

export interface RawMcpServer {
	readonly url: string;
	readonly received: Received[];
	/** Resolves with the first message received, from now or before, that fits. */
	seen(fits: (received: Received) => boolean): Promise<Received>;
	/** Stops listening and cuts every connection. */
	kill(): Promise<void>;
	/** Listens again on the same port. */
	revive(): Promise<void>;
}

export type Answer = (received: Received, response: ServerResponse) => void;

/**
 * An MCP server over Streamable HTTP made by hand, so that it can misbehave: it opens session `s1`, `s2`, …, accepts notifications, and
 * leaves everything else to `answers` by method name (`GET` and `DELETE` are names too; without one they are answered 405 and 200).
 */
export async function rawMcpServer(t: Test, answers: Readonly<Record<string, Answer>>): Promise<RawMcpServer> {
	const received: Received[] = [];
	const waiters = new Set<() => void>();
	let sessions = 0;
	const defaults: Record<string, Answer> = {
		initialize: ({ message }, response) =>
			json(response, 200, { jsonrpc: '2.0', id: message['id']!, result: INITIALIZE_RESULT }, { 'mcp-session-id': `s${++sessions}` }),
		GET: (_, response) => response.writeHead(405).end(),
		DELETE: (_, response) => response.writeHead(200).end(),
		notification: (_, response) => response.writeHead(202).end(),
		unknown: (_, response) => response.writeHead(500).end(),
	};
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('error', () => {});
		request.on('end', () => {
			const text = Buffer.concat(chunks).toString();
			const message = (text === '' ? {} : JSON.parse(text)) as JsonObject;
			const one: Received = { httpMethod: request.method!, headers: request.headers, message };
			received.push(one);
			const name = text === '' ? request.method! : String(message['method'] ?? 'response');
			const answer =
				answers[name] ??
				defaults[name] ??
				(message['id'] === undefined || name === 'response' ? defaults['notification']! : defaults['unknown']!);
			answer(one, response);
			for (const wake of waiters) wake();
		});
	});
	const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
	const kill = () =>
		new Promise<void>((resolve) => {
			server.close(() => resolve());
			server.closeAllConnections();
		});
	await listen(0);
	const { port } = server.address() as AddressInfo;
	t.teardown(kill);
	return {
		url: `http://127.0.0.1:${port}/mcp`,
		received,
		kill,
		revive: () => listen(port),
		seen: (fits) =>
			new Promise((resolve) => {
				const look = () => {
					const found = received.find(fits);
					if (found === undefined) return;
					waiters.delete(look);
					resolve(found);
				};
				waiters.add(look);
				look();
			}),
	};
}

const INITIALIZE_RESULT = {
	protocolVersion: '2025-06-18',
	capabilities: { tools: { listChanged: true } },
	serverInfo: { name: 'raw', version: '1' },
};

export function json(response: ServerResponse, status: number, body: JsonObject, headers: Record<string, string> = {}): void {
	response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Starts an event stream; further writes are events made by `event`. */
export function stream(response: ServerResponse, ...events: string[]): ServerResponse {
	response.writeHead(200, { 'content-type': 'text/event-stream' });
	for (const one of events) response.write(one);
	return response;
}

export const event = (message: JsonObject, id?: string): string =>
	`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`;
