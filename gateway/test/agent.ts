import type { JsonObject } from '../src/domain.ts';

/** An agent as a person with `curl` is one: it sends a content type and what the session needs, and nothing else. */
export interface Agent {
	readonly sessionId: string;
	readonly initialized: JsonObject;
	request(method: string, params?: JsonObject, headers?: Readonly<Record<string, string>>): Promise<JsonObject>;
	/** Names of the tools it sees. */
	list(): Promise<string[]>;
	call(name: string, args?: JsonObject, headers?: Readonly<Record<string, string>>): Promise<CallEnd>;
}

/** How one call looks to the agent. */
export interface CallEnd {
	/** A word of the trail; `ok` for an answer of the upstream itself, `tool_error` where that is an error. */
	readonly word: string;
	/** What the model reads. */
	readonly text: string;
	readonly message: JsonObject;
}

export interface Post {
	readonly status: number;
	readonly sessionId: string | null;
	readonly text: string;
}

export async function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Post> {
	const response = await fetch(url, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...headers },
		body: typeof body === 'string' ? body : JSON.stringify(body),
	});
	return { status: response.status, sessionId: response.headers.get('mcp-session-id'), text: await response.text() };
}

/** Opens a session. @param headers sent with every request, such as `x-toolgate-principal` */
export async function openAgent(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Agent> {
	let id = 0;
	const send = async (method: string, params: JsonObject, more: Readonly<Record<string, string>>): Promise<Post> =>
		post(url, { jsonrpc: '2.0', id: ++id, method, params }, { ...headers, ...more });
	const opened = await send(
		'initialize',
		{ protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'plain', version: '1' } },
		{},
	);
	if (opened.sessionId === null) throw new Error(`no session: ${opened.status} ${opened.text}`);
	const session = { 'mcp-session-id': opened.sessionId };
	const request: Agent['request'] = async (method, params = {}, more = {}) =>
		JSON.parse((await send(method, params, { ...session, ...more })).text) as JsonObject;
	return {
		sessionId: opened.sessionId,
		initialized: JSON.parse(opened.text) as JsonObject,
		request,
		list: async () => ((await request('tools/list'))['result'] as { tools: { name: string }[] }).tools.map(({ name }) => name),
		call: async (name, args = {}, more = {}) => endOf(await request('tools/call', { name, arguments: args }, more)),
	};
}

interface ToolResult {
	readonly content: { readonly text: string }[];
	readonly isError?: boolean;
	readonly _meta?: { readonly 'dev.toolgate/decision'?: { readonly outcome: string } };
}

export function endOf(message: JsonObject): CallEnd {
	const { result, error } = message as unknown as { result?: ToolResult; error?: { code: number; message: string } };
	if (result === undefined) return { word: `error ${error?.code}`, text: error?.message ?? '', message };
	const word = result._meta?.['dev.toolgate/decision']?.outcome ?? (result.isError === true ? 'tool_error' : 'ok');
	return { word, text: result.content[0]?.text ?? '', message };
}
