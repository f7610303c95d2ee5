/**
 * An MCP server with as little in it as can be. `?tools=N` of its address says how many tools it lists; `POST /change` adds a tool or takes it
 * away, and says so on the streams that it is asked for.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenAndSay } from '../listening.ts';

interface Message {
	readonly id?: number | string;
	readonly method: string;
	readonly params?: {
		readonly name?: string;
		readonly arguments?: { readonly events?: number; readonly everyMs?: number };
		readonly cursor?: string;
		readonly _meta?: { readonly progressToken?: unknown };
	};
}

const listening = new Set<ServerResponse>();
let hasExtra = false;
let sessions = 0;

/** About the size of a real definition. */
const toolNamed = (name: string) => ({
	name,
	description: `Answers its arguments; what ${name} does beyond that is told here in a sentence or two, as servers do.`,
	inputSchema: {
		type: 'object',
		properties: {
			amount: { type: 'integer', minimum: 1, description: 'In the smallest unit of the currency' },
			currency: { type: 'string', enum: ['eur', 'usd'] },
			customer: { type: 'string', minLength: 1 },
			metadata: { type: 'object', additionalProperties: { type: 'string' } },
			note: { type: 'string' },
		},
	},
	annotations: { readOnlyHint: true },
});

const PAGE = 1_000;

/** One page of the list. */
function listOf(url: string, cursor = '0'): object {
	const all = toolsOf(url);
	const end = Number(cursor) + PAGE;
	return { tools: all.slice(Number(cursor), end), ...(end < all.length ? { nextCursor: String(end) } : {}) };
}

function toolsOf(url: string): object[] {
	const count = Number(new URL(url, 'http://x').searchParams.get('tools') ?? 2);
	const names = ['echo', 'stream', ...(hasExtra ? ['extra'] : [])];
	while (names.length < count) names.push(`tool_${names.length}`);
	return names.map(toolNamed);
}

function resultOf({ method, params }: Message, url: string): object {
	switch (method) {
		case 'tools/call':
			return { content: [{ type: 'text', text: JSON.stringify(params?.arguments) }] };
		case 'tools/list':
			return listOf(url, params?.cursor);
		case 'initialize':
			return {
				protocolVersion: '2025-11-25',
				capabilities: { tools: { listChanged: true } },
				serverInfo: { name: 'mock', version: '1' },
			};
		default:
			return {};
	}
}

const eventOf = (message: object): string => `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
const openEvents = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });

/** Progress that tells when it was sent, on the clock that all processes of a machine share. */
function stream({ id, params }: Message, response: ServerResponse): void {
	const { events = 1, everyMs = 1 } = params?.arguments ?? {};
	openEvents(response);
	let sent = 0;
	const timer = setInterval(() => {
		if (sent++ === events) {
			clearInterval(timer);
			return void response.end(eventOf({ id, result: { content: [] } }));
		}
		const { progressToken } = params?._meta ?? {};
		const message = String(process.hrtime.bigint());
		response.write(eventOf({ method: 'notifications/progress', params: { progressToken, progress: sent, message } }));
	}, everyMs);
}

function answer(message: Message, request: IncomingMessage, response: ServerResponse): void {
	if (message.id === undefined) return void response.writeHead(202, { 'content-length': 0 }).end();
	if (message.method === 'tools/call' && message.params?.name === 'stream') return stream(message, response);
	const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: resultOf(message, request.url!) });
	const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
	response.writeHead(200, message.method === 'initialize' ? { ...headers, 'mcp-session-id': `s${++sessions}` } : headers).end(body);
}

function change(response: ServerResponse): void {
	hasExtra = !hasExtra;
	for (const each of listening) each.write(eventOf({ method: 'notifications/tools/list_changed' }));
	response.writeHead(204).end();
}

listenAndSay(
	createServer((request, response) => {
		if (request.method === 'GET') {
			openEvents(response).flushHeaders();
			listening.add(response);
			return void response.on('close', () => listening.delete(response));
		}
		if (request.method !== 'POST') return void response.writeHead(200, { 'content-length': 0 }).end();
		if (request.url === '/change') return change(response);
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => answer(JSON.parse(Buffer.concat(chunks).toString()) as Message, request, response));
	}),
	'/mcp',
);
