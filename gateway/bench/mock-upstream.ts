/** An MCP server with as little in it as can be: it must be several times faster than what stands in front of it. */
import { createServer } from 'node:http';
import { listenAndSay } from './listening.ts';

interface Message {
	readonly id?: number | string;
	readonly method: string;
	readonly params?: { readonly arguments?: object };
}

/** Two names for one thing, so that a policy can treat them differently. */
const TOOLS = ['echo', 'echo_on_budget'].map((name) => ({
	name,
	description: 'Answers its arguments.',
	inputSchema: {
		type: 'object',
		properties: {
			amount: { type: 'integer', minimum: 1 },
			currency: { type: 'string', enum: ['eur', 'usd'] },
			customer: { type: 'string', minLength: 1 },
			metadata: { type: 'object', additionalProperties: { type: 'string' } },
			note: { type: 'string' },
		},
		required: ['amount', 'currency', 'customer'],
	},
}));

function resultOf({ method, params }: Message): object {
	switch (method) {
		case 'tools/call':
			return { content: [{ type: 'text', text: JSON.stringify(params?.arguments) }] };
		case 'tools/list':
			return { tools: TOOLS };
		case 'initialize':
			return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'mock', version: '1' } };
		default:
			return {};
	}
}

let sessions = 0;

listenAndSay(
	createServer((request, response) => {
		if (request.method !== 'POST') return void response.writeHead(request.method === 'DELETE' ? 200 : 405, { 'content-length': 0 }).end();
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const message = JSON.parse(chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString()) as Message;
			if (message.id === undefined) return void response.writeHead(202, { 'content-length': 0 }).end();
			const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: resultOf(message) });
			const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
			response.writeHead(200, message.method === 'initialize' ? { ...headers, 'mcp-session-id': `s${++sessions}` } : headers).end(body);
		});
	}),
	'/mcp',
);
