/**
 * The floor for any gateway that must read what it judges: a reverse proxy that parses and serialises JSON both ways, and nothing else.
 * Usage: `floor.ts <url of the upstream>`
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { listenAndSay } from '../listening.ts';

const upstream = new URL(process.argv[2]!);
const pool = new Pool(upstream.origin, { connections: 128, pipelining: 1 });
const PASSED_ON = ['content-type', 'accept', 'mcp-session-id', 'mcp-protocol-version'];

const text = (chunks: readonly Buffer[]): string => (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString();
const readAndWritten = (chunks: readonly Buffer[]): string => (chunks.length === 0 ? '' : JSON.stringify(JSON.parse(text(chunks))));

class Relay implements Dispatcher.DispatchHandler {
	readonly #response: ServerResponse;
	readonly #chunks: Buffer[] = [];
	#status = 0;
	#headers: IncomingHttpHeaders = {};

	constructor(response: ServerResponse) {
		this.#response = response;
	}

	onRequestStart(): void {}

	onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
		this.#status = status;
		this.#headers = headers;
	}

	onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
		this.#chunks.push(chunk);
	}

	onResponseEnd(): void {
		const body = readAndWritten(this.#chunks);
		const headers: Record<string, string | number> = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
		const session = this.#headers['mcp-session-id'];
		if (typeof session === 'string') headers['mcp-session-id'] = session;
		this.#response.writeHead(this.#status, headers).end(body);
	}

	onResponseError(_: Dispatcher.DispatchController, error: Error): void {
		console.error(`floor: ${error.message}`);
		this.#response.destroy();
	}
}

listenAndSay(
	createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const headers: string[] = [];
			for (const name of PASSED_ON) {
				const value = request.headers[name];
				if (typeof value === 'string') headers.push(name, value);
			}
			pool.dispatch({ path: upstream.pathname, method: 'POST', headers, body: readAndWritten(chunks) }, new Relay(response));
		});
	}),
	upstream.pathname,
);
