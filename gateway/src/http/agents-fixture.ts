import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Test } from 'tap';
import type { Caller, DecidedRequest, JsonObject, Outcome } from '../domain.ts';
import { groupsOf } from '../groups.ts';
import { deriveKeys } from '../keys.ts';
import { McpEndpoint, type McpOptions } from '../mcp/endpoint.ts';
import type { ListMethod } from '../list-offered.ts';
import type { AgentSession, Gate } from '../mcp/exchange.ts';
import { type AgentsDeps, buildAgentsListener } from './agents.ts';
import { type AuthenticateOptions, authenticator } from './authenticate.ts';

/** The whole agents' listener on a free port, with a scripted rest of the gateway. For tests. */

export const ok = (text: string): Outcome => ({ kind: 'answered', word: 'ok', answer: { result: { content: [{ type: 'text', text }] } } });

export class FakeGate implements Gate {
	readonly calls: DecidedRequest[] = [];
	readonly listed: Caller[] = [];
	readonly opened: string[] = [];
	readonly ended: string[] = [];
	/** What was passed on without a decision. */
	readonly told: string[] = [];
	visible: (listedUri: string) => boolean = () => true;
	/** What a call comes to. */
	onCall: (call: DecidedRequest) => Promise<Outcome> | Outcome = () => ok('done');
	onList: (method: ListMethod) => JsonObject = () => ({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] });
	onHeaders: (call: DecidedRequest) => readonly string[] = () => [];
	onDescribe: () => JsonObject = () => ({
		protocolVersion: '2024-11-05',
		capabilities: { tools: {}, logging: {}, resources: {}, experimental: { x: {} } },
		serverInfo: { name: 'fixture', version: '1', title: 'A fixture' },
		instructions: 'be kind',
		_meta: { 'dev.toolgate/decision': { forged: true }, other: 1 },
	});
	hasUpstream(name: string): boolean {
		return name === 'one';
	}
	async openSession(session: AgentSession): Promise<void> {
		this.opened.push(session.id);
	}
	async describe(): Promise<JsonObject> {
		return this.onDescribe();
	}
	parameterHeaders(call: DecidedRequest): readonly string[] {
		return this.onHeaders(call);
	}
	list(method: ListMethod, caller: Caller): JsonObject {
		this.listed.push(caller);
		return this.onList(method);
	}
	async decide(call: DecidedRequest): Promise<Outcome> {
		this.calls.push(call);
		return this.onCall(call);
	}
	mayHearTexts(): boolean {
		return true;
	}

	isVisible(_caller: Caller, listedUri: string): boolean {
		return this.visible(listedUri);
	}
	async setLogLevel(_session: AgentSession, level: string): Promise<void> {
		this.told.push(`level ${level}`);
	}
	async unsubscribe(_session: AgentSession, listedUri: string): Promise<void> {
		this.told.push(`unsubscribe ${listedUri}`);
	}
	notify(_session: AgentSession, message: JsonObject): void {
		this.told.push(String(message['method']));
	}
	sessionEnded(session: AgentSession): void {
		this.ended.push(session.id);
	}
}

export interface Answer {
	readonly status: number;
	readonly headers: IncomingMessage['headers'];
	readonly text: string;
	readonly json: JsonObject;
}

export interface Listener {
	readonly url: string;
	readonly port: number;
	readonly gate: FakeGate;
	readonly mcp: McpEndpoint;
	readonly dropped: string[];
	readonly faults: unknown[];
	/** Moves the clock. */
	advance(ms: number): void;
	/** One request with only a content type besides what is given. */
	send(
		method: string,
		options?: { path?: string; headers?: Record<string, string | string[]>; body?: unknown; raw?: Buffer | string; signal?: AbortSignal },
	): Promise<Answer>;
	/** Initializes, and returns the headers of the session. */
	begin(headers?: Record<string, string>, path?: string): Promise<Record<string, string>>;
	/** Opens a stream: status, and events as they come. */
	open(method: 'GET' | 'POST', headers: Record<string, string>, body?: unknown): Promise<OpenStream>;
	close(): Promise<void>;
	/** Connections open at the server. */
	connections(): Promise<number>;
	/** Writes bytes to a raw connection and reads until it closes. */
	rawBytes(text: string): Promise<string>;
}

export interface OpenStream {
	readonly response: IncomingMessage;
	/** The next block between blank lines, such as an event. */
	next(): Promise<string>;
	close(): void;
}

/** Sessions live as long as the process. */
const NO_STORE: McpOptions['sessionStore'] = {
	add: async () => {},
	find: async () => undefined,
	setLogLevel: async () => {},
	addSubscription: async () => {},
	removeSubscription: async () => {},
	used: async () => {},
	end: async () => {},
	prune: async () => {},
	onEnd: async () => async () => {},
};

export interface Settings {
	mcp?: Partial<McpOptions>;
	auth?: Partial<AuthenticateOptions>;
	deps?: Partial<AgentsDeps>;
	people?: Record<string, { groups: string[] }>;
}

export async function listen(t: Test, settings: Settings = {}): Promise<Listener> {
	const gate = new FakeGate();
	const dropped: string[] = [];
	const faults: unknown[] = [];
	let nowMs = 1_000_000;
	const mcp = new McpEndpoint({
		gate,
		sessions: { total: 10_000, perPrincipal: 100, idleMs: 1_800_000, ageMs: 86_400_000 },
		callsPerPrincipal: 64,
		sessionStore: NO_STORE,
		keys: deriveKeys(Buffer.alloc(32)),
		keepAliveMs: 15_000,
		jsonDepth: 64,
		onDropped: (method) => dropped.push(method),
		onFault: (error) => faults.push(error),
		nowMs: () => nowMs,
		...settings.mcp,
	});
	const app = buildAgentsListener({
		boundHost: '127.0.0.1',
		allowedHosts: ['localhost', 'gateway'],
		mcp,
		hasUpstream: (name) => gate.hasUpstream(name),
		authenticate: authenticator({
			mode: 'none',
			fallback: { principal: 'alice@example.com', agent: 'local' },
			groupsOf: groupsOf(settings.people ?? { 'alice@example.com': { groups: ['support'] } }),
			findToken: async () => undefined,
			nowMs: () => nowMs,
			...settings.auth,
		}),
		limits: { bodyBytes: 4 * 1024 * 1024, callsPerPrincipal: 64 },
		onFault: (error) => faults.push(error),
		...settings.deps,
	});
	await app.listen({ host: '127.0.0.1', port: 0 });
	t.teardown(() => app.close());
	const { port } = app.server.address() as AddressInfo;

	const start = async (
		method: string,
		{
			path = '/mcp',
			headers = {},
			body,
			raw,
			signal,
		}: { path?: string; headers?: Record<string, string | string[]>; body?: unknown; raw?: Buffer | string; signal?: AbortSignal },
	) => {
		const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
		const outgoing = request({
			host: '127.0.0.1',
			port,
			path,
			method,
			headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
			agent: false,
			...(signal === undefined ? {} : { signal }),
		});
		outgoing.end(payload);
		const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
		return { outgoing, response };
	};
	const send: Listener['send'] = async (method, options = {}) => {
		const { response } = await start(method, options);
		const chunks: Buffer[] = [];
		for await (const chunk of response) chunks.push(chunk as Buffer);
		const text = Buffer.concat(chunks).toString();
		const json = text.startsWith('{') ? (JSON.parse(text) as JsonObject) : {};
		return { status: response.statusCode as number, headers: response.headers, text, json };
	};

	return {
		url: `http://127.0.0.1:${port}/mcp`,
		port,
		gate,
		mcp,
		dropped,
		faults,
		advance: (ms) => {
			nowMs += ms;
		},
		send,
		async begin(headers = {}, path = '/mcp') {
			const answer = await send('POST', { path, headers, body: initialize() });
			return { ...headers, 'mcp-session-id': answer.headers['mcp-session-id'] as string };
		},
		async open(method, headers, body) {
			const { outgoing, response } = await start(method, { headers, body });
			let text = '';
			const chunks = response[Symbol.asyncIterator]();
			t.teardown(() => outgoing.destroy());
			outgoing.on('error', () => {});
			return {
				response,
				async next() {
					for (;;) {
						const end = text.indexOf('\n\n');
						if (end !== -1) {
							const block = text.slice(0, end);
							text = text.slice(end + 2);
							return block;
						}
						const { value, done } = (await chunks.next()) as IteratorResult<Buffer>;
						if (done) return 'END';
						text += value.toString();
					}
				},
				close: () => outgoing.destroy(),
			};
		},
		close: () => app.close(),
		connections: () =>
			new Promise((resolve, reject) => app.server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
		async rawBytes(text) {
			const socket = connect(port, '127.0.0.1');
			socket.write(text);
			let answer = '';
			socket.on('data', (chunk) => {
				answer += chunk.toString();
			});
			await once(socket, 'close');
			return answer;
		},
	};
}

export const initialize = (protocolVersion = '2025-11-25'): JsonObject => ({
	jsonrpc: '2.0',
	id: 0,
	method: 'initialize',
	params: { protocolVersion, capabilities: {}, clientInfo: { name: 'test agent', version: '1.2' } },
});

export const call = (id: number | string, name = 'echo', args: JsonObject = {}): JsonObject => ({
	jsonrpc: '2.0',
	id,
	method: 'tools/call',
	params: { name, arguments: args },
});

export const EVENTS = { accept: 'application/json, text/event-stream' };
