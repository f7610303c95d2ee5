import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Test } from 'tap';

export interface SdkMcpServer {
	readonly url: string;
	/** One entry per HTTP request, in order. */
	readonly requests: { readonly httpMethod: string; readonly headers: IncomingHttpHeaders; readonly body: string }[];
	/** The servers of the live sessions, by session id. */
	readonly sessions: Map<string, McpServer>;
	/** Forgets every session, as a restart does. */
	loseSessions(): void;
	/** Stops listening and cuts every connection. */
	kill(): Promise<void>;
	/** Listens again on the same port, with no sessions. */
	revive(): Promise<void>;
}

/** Serves real MCP servers of the SDK, one per session, over Streamable HTTP. */
export async function sdkMcpServer(
	t: Pick<Test, 'teardown'>,
	makeServer: () => McpServer,
	answers: 'sse' | 'json' = 'sse',
): Promise<SdkMcpServer> {
	const transports = new Map<string, StreamableHTTPServerTransport>();
	const sessions = new Map<string, McpServer>();
	const requests: SdkMcpServer['requests'] = [];
	const http = createServer((request, response) => void serve(request, response));
	async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const body = Buffer.concat(chunks).toString();
		requests.push({ httpMethod: request.method!, headers: request.headers, body });
		const id = request.headers['mcp-session-id'];
		const transport = id === undefined ? await openSession() : transports.get(String(id));
		if (transport === undefined) response.writeHead(404).end();
		else await transport.handleRequest(request, response, body === '' ? undefined : JSON.parse(body));
	}
	async function openSession(): Promise<StreamableHTTPServerTransport> {
		const server = makeServer();
		const transport = new StreamableHTTPServerTransport({
			sessionIdGenerator: randomUUID,
			enableJsonResponse: answers === 'json',
			onsessioninitialized: (id) => {
				transports.set(id, transport);
				sessions.set(id, server);
			},
			onsessionclosed: (id) => {
				transports.delete(id);
				sessions.delete(id);
			},
		});
		await server.connect(transport as Parameters<McpServer['connect']>[0]);
		return transport;
	}
	const loseSessions = () => {
		transports.clear();
		sessions.clear();
	};
	const listen = (port: number) => new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
	const kill = () =>
		new Promise<void>((resolve) => {
			http.close(() => resolve());
			http.closeAllConnections();
			loseSessions();
		});
	await listen(0);
	t.teardown(kill);
	const { port } = http.address() as AddressInfo;
	return { url: `http://127.0.0.1:${port}/mcp`, requests, sessions, loseSessions, kill, revive: () => listen(port) };
}
