import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from '../src/domain.ts';

export interface SoakUpstream {
	readonly url: string;
	/** How often it saw each call. */
	readonly calls: ReadonlyMap<string, number>;
	seen(): number;
	close(): Promise<void>;
}

/** An MCP server with two tools that the default policy knows; it says what it sees before it answers. */
export async function startUpstream(onCall: (turn: string) => Promise<void>): Promise<SoakUpstream> {
	const calls = new Map<string, number>();
	const answer = async (message: JsonObject): Promise<JsonObject | undefined> => {
		switch (message['method']) {
			case 'initialize':
				return { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'soak', version: '1' } };
			case 'tools/list':
				return { tools: ['list_recent_charges', 'create_refund'].map((name) => ({ name, inputSchema: { type: 'object' } })) };
			case 'tools/call': {
				const { arguments: args } = message['params'] as { arguments: { turn: string } };
				calls.set(args.turn, (calls.get(args.turn) ?? 0) + 1);
				await onCall(args.turn);
				return { content: [{ type: 'text', text: args.turn }] };
			}
			default:
				return undefined;
		}
	};
	const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		let body = '';
		for await (const chunk of request) body += String(chunk);
		if (request.method !== 'POST') return void response.writeHead(405).end();
		const message = JSON.parse(body) as JsonObject;
		const result = await answer(message);
		if (result === undefined) return void response.writeHead(message['id'] === undefined ? 202 : 400).end();
		const said = JSON.stringify({ jsonrpc: '2.0', id: message['id']!, result });
		response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'soak' }).end(said);
	};
	const server = createServer((request, response) => {
		// A gateway that is killed breaks its requests off.
		serve(request, response).catch(() => response.destroy());
	});
	// On a busy machine a connection would be closed just as the next call is sent on it; that is for the tests of faults.
	server.keepAliveTimeout = 600_000;
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
		calls,
		seen: () => calls.size,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}
