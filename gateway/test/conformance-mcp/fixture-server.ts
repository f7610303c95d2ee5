import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import {
	CLIENT_CAPABILITIES_META_KEY,
	createMcpHandler,
	hostHeaderValidationResponse,
	isLegacyRequest,
	localhostAllowedHostnames,
	localhostAllowedOrigins,
	originValidationResponse,
	ProtocolError,
	ProtocolErrorCode,
	Server,
	WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { getPrompt, PROMPTS, readResource, RESOURCES, TEMPLATES } from './fixture-items.ts';
import { FIXTURE_TOOLS, SCHEMA_TOOL, toolDefinitions } from './fixture-tools.ts';

/** What the official suite tests: a server of both eras on the SDK, with sessions in the legacy one. */
export interface FixtureServer {
	readonly url: string;
	close(): Promise<void>;
}

export async function fixtureServer(): Promise<FixtureServer> {
	/** Grows by one with each change, so that the lists really are different. */
	const added = { tools: 0, prompts: 0 };
	const live = new Set<Server>();

	const makeServer = (): Server => {
		const server = new Server(
			{ name: 'conformance-fixture', version: '1.0.0' },
			{
				capabilities: {
					tools: { listChanged: true },
					resources: { subscribe: true, listChanged: true },
					prompts: { listChanged: true },
					completions: {},
					logging: {},
				},
			},
		);
		const more = (kind: 'tools' | 'prompts') => Array.from({ length: added[kind] }, (_, index) => `added_${index + 1}`);
		server.setRequestHandler('tools/list', () => ({
			tools: [
				...toolDefinitions(),
				SCHEMA_TOOL,
				...more('tools').map((name) => ({ name, description: 'Added while running', inputSchema: { type: 'object' as const } })),
			],
		}));
		server.setRequestHandler('tools/call', async ({ params }, context) => {
			const tool = FIXTURE_TOOLS[params.name];
			if (tool === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
			const envelope = (context.mcpReq.envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] as
				| Record<string, unknown>
				| undefined;
			return tool.run({
				context,
				args: params.arguments ?? {},
				capabilities: envelope ?? { ...server.getClientCapabilities() },
				change: async (list) => {
					added[list]++;
					if (list === 'tools') handler.notify.toolsChanged();
					else handler.notify.promptsChanged();
					for (const one of live) await (list === 'tools' ? one.sendToolListChanged() : one.sendPromptListChanged());
				},
			});
		});
		server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }));
		server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: TEMPLATES }));
		server.setRequestHandler('resources/read', ({ params }) => readResource(params.uri));
		server.setRequestHandler('resources/subscribe', () => ({}));
		server.setRequestHandler('resources/unsubscribe', () => ({}));
		server.setRequestHandler('prompts/list', () => ({
			prompts: [...PROMPTS, ...more('prompts').map((name) => ({ name, description: 'Added while running' }))],
		}));
		server.setRequestHandler('prompts/get', ({ params }, context) => getPrompt(params.name, params.arguments ?? {}, context));
		server.setRequestHandler('completion/complete', () => ({
			completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false },
		}));
		return server;
	};

	const handler = createMcpHandler(makeServer, { legacy: 'reject' });
	const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

	async function legacy(request: Request, parsedBody: unknown): Promise<Response> {
		const id = request.headers.get('mcp-session-id');
		const known = id === null ? undefined : sessions.get(id);
		if (id !== null && known === undefined) return new Response(null, { status: 404 });
		if (known !== undefined) return known.handleRequest(request, { parsedBody });
		const server = makeServer();
		const transport = new WebStandardStreamableHTTPServerTransport({
			sessionIdGenerator: randomUUID,
			onsessioninitialized: (session) => {
				sessions.set(session, transport);
				live.add(server);
			},
			onsessionclosed: (session) => {
				sessions.delete(session);
				live.delete(server);
			},
		});
		await server.connect(transport);
		return transport.handleRequest(request, { parsedBody });
	}

	async function answer(request: Request, body: string): Promise<Response> {
		const refused =
			hostHeaderValidationResponse(request, localhostAllowedHostnames()) ?? originValidationResponse(request, localhostAllowedOrigins());
		if (refused !== undefined) return refused;
		let parsedBody: unknown;
		try {
			parsedBody = body === '' ? undefined : JSON.parse(body);
		} catch {
			parsedBody = undefined;
		}
		return (await isLegacyRequest(request, parsedBody)) ? legacy(request, parsedBody) : handler.fetch(request, { parsedBody });
	}

	async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const body = Buffer.concat(chunks).toString();
		const gone = new AbortController();
		response.on('close', () => gone.abort());
		const web = new Request(`http://${request.headers.host ?? 'localhost'}${request.url}`, {
			method: request.method!,
			headers: request.headers as Record<string, string>,
			signal: gone.signal,
			...(body === '' ? {} : { body }),
		});
		const answered = await answer(web, body);
		response.writeHead(answered.status, Object.fromEntries(answered.headers));
		if (answered.body === null) return void response.end();
		response.flushHeaders();
		const stream = Readable.fromWeb(answered.body as WebStream).on('error', () => response.destroy());
		response.on('close', () => stream.destroy());
		stream.pipe(response);
	}

	const http = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
	await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
	const { port } = http.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}/mcp`,
		async close() {
			http.close();
			http.closeAllConnections();
			await handler.close();
		},
	};
}
