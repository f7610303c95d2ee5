import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { createMcpHandler, type McpHttpHandler, type McpServer } from '@modelcontextprotocol/server';
import type { Test } from 'tap';

export interface ModernMcpServer {
	readonly url: string;
	/** One entry per HTTP request, in order. */
	readonly requests: {
		readonly httpMethod: string;
		readonly headers: IncomingHttpHeaders;
		readonly body: string;
		readonly isClosed: () => boolean;
	}[];
	/** Says that something has changed to whoever listens. */
	readonly notify: McpHttpHandler['notify'];
	/** Bodies of the requests with that method. */
	sent(method: string): { id: number; params: Record<string, unknown> }[];
	/** Stops listening and cuts every connection. */
	kill(): Promise<void>;
	/** Listens again on the same port. */
	revive(): Promise<void>;
}

/** Serves a server of the SDK's second line over Streamable HTTP: the modern era, and the legacy one too where `legacy` says so. */
export async function modernMcpServer(
	t: Test,
	makeServer: () => McpServer,
	legacy: 'stateless' | 'reject' = 'reject',
): Promise<ModernMcpServer> {
	const handler = createMcpHandler(makeServer, { legacy });
	const requests: ModernMcpServer['requests'] = [];
	const http = createServer((request, response) => void serve(request, response));
	async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const body = Buffer.concat(chunks).toString();
		const gone = new AbortController();
		response.on('close', () => gone.abort());
		requests.push({ httpMethod: request.method!, headers: request.headers, body, isClosed: () => gone.signal.aborted });
		const answer = await handler.fetch(
			new Request(`http://127.0.0.1${request.url}`, {
				method: request.method!,
				headers: request.headers as Record<string, string>,
				signal: gone.signal,
				...(body === '' ? {} : { body }),
			}),
		);
		response.writeHead(answer.status, Object.fromEntries(answer.headers));
		if (answer.body === null) response.end();
		else
			Readable.fromWeb(answer.body as WebStream)
				.on('error', () => response.destroy())
				.pipe(response);
	}
	const listen = (port: number) => new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
	const kill = () =>
		new Promise<void>((resolve) => {
			http.close(() => resolve());
			http.closeAllConnections();
		});
	await listen(0);
	const { port } = http.address() as AddressInfo;
	t.teardown(async () => {
		await kill();
		await handler.close();
	});
	return {
		url: `http://127.0.0.1:${port}/mcp`,
		requests,
		notify: handler.notify,
		sent: (method) =>
			requests.flatMap(({ body }) => (body === '' ? [] : [JSON.parse(body)])).filter((message) => message.method === method),
		kill,
		revive: () => listen(port),
	};
}
