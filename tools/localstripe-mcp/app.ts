import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance } from 'fastify';
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';

/** More sessions than this, and the oldest makes room: clients often vanish without ending theirs. */
const MAX_SESSIONS = 1000;

/**
 * Serves MCP over Streamable HTTP with sessions on `/mcp`: each session has an MCP server of its own, made by `makeServer`.
 * @param answers whether a POST is answered by an event stream or by one JSON body; both are in the protocol
 */
export function buildMcpApp(makeServer: () => McpServer, answers: 'sse' | 'json'): FastifyInstance {
	const app = fastify({ forceCloseConnections: true });
	const sessions = new Map<string, StreamableHTTPServerTransport>();

	async function openSession(): Promise<StreamableHTTPServerTransport> {
		const transport = new StreamableHTTPServerTransport({
			sessionIdGenerator: randomUUID,
			enableJsonResponse: answers === 'json',
			onsessioninitialized: (id) => {
				sessions.set(id, transport);
				const [oldest] = sessions.keys();
				if (sessions.size > MAX_SESSIONS) void sessions.get(oldest as string)?.close();
			},
		});
		transport.onclose = () => {
			if (transport.sessionId) sessions.delete(transport.sessionId);
		};
		await makeServer().connect(transport);
		return transport;
	}

	app.route({
		method: ['GET', 'POST', 'DELETE'],
		url: '/mcp',
		handler: async (request, reply) => {
			const id = request.headers['mcp-session-id'];
			const opens = id === undefined && isInitializeRequest(request.body);
			const transport = opens ? await openSession() : sessions.get(String(id));
			if (!transport) {
				const [status, message] =
					id === undefined ? ([400, 'Bad Request: Mcp-Session-Id is missing'] as const) : ([404, 'Session not found'] as const);
				return reply.code(status).send({ jsonrpc: '2.0', error: { code: status === 404 ? -32001 : -32000, message }, id: null });
			}
			reply.hijack();
			await transport.handleRequest(request.raw, reply.raw, request.body);
		},
	});
	return app;
}
