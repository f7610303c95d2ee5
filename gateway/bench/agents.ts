import { Connection } from './connection.ts';

/** One agent on one connection, with one call at a time. */
export interface BenchAgent {
	/** Makes one call with arguments nobody has used before. @throws {Error} the answer is not the one to this call. */
	call(): Promise<void>;
	close(): void;
}

/** Opens agent number `n` of a load. */
export type OpenAgent = (n: number) => Promise<BenchAgent>;

const REVISION = '2025-11-25';
/** What an SDK client sends: it takes both kinds of answer. */
const ACCEPT = { accept: 'application/json, text/event-stream' };

/** A session of MCP on a connection of its own. */
export interface BenchSession {
	readonly connection: Connection;
	/** Of every POST in it. */
	readonly headers: Readonly<Record<string, string>>;
	/** The same, to be given to `connection.post`. */
	readonly head: string;
}

/** Initializes a session, as a principal of its own. @throws {Error} it is not answered as it should be. */
export async function openSession(url: string, n: number, principal = `agent-${n}@bench.example.com`): Promise<BenchSession> {
	const connection = await Connection.open(url);
	const { pathname, search } = new URL(url);
	const path = pathname + search;
	const who = { ...ACCEPT, 'x-toolgate-principal': principal };
	const opened = await connection.post(
		connection.headOf(path, who),
		`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"${REVISION}","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`,
	);
	const [, session] = /\r\nmcp-session-id: *(\S+)/i.exec(opened.head) ?? [];
	if (opened.status !== 200 || session === undefined) throw new Error(`${url} opened no session: ${opened.head} ${opened.text}`);
	const headers = { ...who, 'mcp-protocol-version': REVISION, 'mcp-session-id': session };
	const head = connection.headOf(path, headers);
	const { status } = await connection.post(head, '{"jsonrpc":"2.0","method":"notifications/initialized"}');
	if (status !== 202) throw new Error(`${url} answered ${status} to notifications/initialized`);
	return { connection, headers, head };
}

/** An agent that speaks MCP: it initializes a session of its own, as a principal of its own, and calls `tool`, which answers its arguments as text. */
export async function mcpAgent(url: string, tool: string, n: number): Promise<BenchAgent> {
	const { connection, head } = await openSession(url, n);
	let calls = 0;
	return {
		async call() {
			const id = ++calls;
			const args = argumentsOf(n, id);
			const answer = await connection.post(
				head,
				`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","arguments":${args}}}`,
			);
			const message = answer.status === 200 ? (JSON.parse(answer.text) as ToolAnswer) : {};
			const { result } = message;
			if (message.id !== id || result?.isError === true || result?.content?.[0]?.text !== args)
				throw new Error(`call ${id} of agent ${n} was answered ${answer.status} ${answer.text}`);
		},
		close: () => connection.close(),
	};
}

interface ToolAnswer {
	readonly id?: number;
	readonly result?: { readonly isError?: boolean; readonly content?: readonly { readonly text?: string }[] };
}

/** An agent that posts the very same bodies to a server that sends each of them back. */
export async function echoAgent(url: string, n: number): Promise<BenchAgent> {
	const connection = await Connection.open(url);
	const head = connection.headOf(new URL(url).pathname, ACCEPT);
	let calls = 0;
	return {
		async call() {
			const id = ++calls;
			const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":${argumentsOf(n, id)}}}`;
			const { status, text } = await connection.post(head, body);
			if (status !== 200 || text !== body) throw new Error(`call ${id} of agent ${n} was answered ${status} ${text}`);
		},
		close: () => connection.close(),
	};
}

/** About the size of a real call; canonical, so that it can be compared as text. */
const argumentsOf = (n: number, id: number): string =>
	`{"amount":${100 + (id % 9_900)},"currency":"eur","customer":"cus_${n}_${id}","metadata":{"order":"${id}","source":"bench"},"note":"call ${id} of agent ${n}"}`;
