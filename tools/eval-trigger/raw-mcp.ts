import { McpUnreachable } from './mcp.ts';

/** What a body was answered: the HTTP status, the messages in it, and its text. */
export type RawAnswer = { status: number; messages: RpcMessage[]; text: string };
export type RpcMessage = {
	id?: unknown;
	result?: { _meta?: Record<string, { outcome?: string } | undefined>; isError?: boolean; content?: { text?: string }[] };
	error?: { code: number; message: string };
};

const ANSWER_TIMEOUT_MS = 120_000;
const PROTOCOL_VERSION = '2025-11-25';

/** A session opened by hand, that sends whatever it is given: no SDK keeps it from breaking the rules. */
export class RawSession {
	readonly id: string;
	readonly #url: string;
	readonly #headers: Record<string, string>;

	private constructor(url: string, id: string, headers: Record<string, string>) {
		this.#url = url;
		this.id = id;
		this.#headers = headers;
	}

	/** @throws McpUnreachable */
	static async open(url: string, headers: Record<string, string>): Promise<RawSession> {
		const body = {
			jsonrpc: '2.0',
			id: 0,
			method: 'initialize',
			params: { protocolVersion: PROTOCOL_VERSION, capabilities: {}, clientInfo: { name: 'eval-agent', version: '1.0.0' } },
		};
		const response = await post(url, JSON.stringify(body), headers);
		const id = response.headers.get('mcp-session-id');
		await response.body?.cancel();
		if (id === null) throw new McpUnreachable(`the MCP server at ${url} opened no session: HTTP ${response.status}`);
		const session = new RawSession(url, id, { ...headers, 'mcp-protocol-version': PROTOCOL_VERSION });
		await session.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
		return session;
	}

	/**
	 * @param body sent as it is
	 * @param sessionId another than its own
	 * @throws McpUnreachable
	 */
	async send(body: string, sessionId = this.id): Promise<RawAnswer> {
		const response = await post(this.#url, body, { ...this.#headers, 'mcp-session-id': sessionId });
		const text = await response.text();
		const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
		return { status: response.status, text, messages: isStream ? messagesOfStream(text) : messagesOf(text) };
	}

	async close(): Promise<void> {
		// Best effort: the run is over, and the server may be gone.
		await fetch(this.#url, { method: 'DELETE', headers: { ...this.#headers, 'mcp-session-id': this.id } }).catch(() => {});
	}
}

async function post(url: string, body: string, headers: Record<string, string>): Promise<Response> {
	try {
		return await fetch(url, {
			method: 'POST',
			body,
			headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
			signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
		});
	} catch (error) {
		throw new McpUnreachable(`the MCP server at ${url} can't be reached: ${(error as Error).message}`);
	}
}

function messagesOfStream(text: string): RpcMessage[] {
	return text.split('\n').flatMap((line) => (line.startsWith('data:') ? messagesOf(line.slice('data:'.length)) : []));
}

function messagesOf(text: string): RpcMessage[] {
	try {
		return [JSON.parse(text) as RpcMessage | RpcMessage[]].flat();
	} catch {
		return [];
	}
}
