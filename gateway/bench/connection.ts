import { connect, type Socket } from 'node:net';

export interface Answer {
	readonly status: number;
	/** Status line and headers as they came. */
	readonly head: string;
	readonly text: string;
}

interface Waiting {
	resolve(answer: Answer): void;
	reject(error: Error): void;
}

/**
 * One kept-alive HTTP/1.1 connection that carries one request at a time. It is made by hand because it shares a core with the upstream: a
 * client that costs more than what it measures would measure itself. It reads only bodies with a `Content-Length`, and throws at any other.
 */
export class Connection {
	readonly #socket: Socket;
	readonly #host: string;
	#received: Buffer = EMPTY;
	#waiting: Waiting | undefined;

	private constructor(socket: Socket, host: string) {
		this.#socket = socket;
		this.#host = host;
		socket.setNoDelay(true);
		socket.on('data', (chunk: Buffer) => this.#take(chunk));
		socket.on('error', (error) => this.#fail(error));
		socket.on('close', () => this.#fail(new Error(`${host} closed the connection`)));
	}

	static async open(url: string): Promise<Connection> {
		const { hostname, port, host } = new URL(url);
		const socket = connect({ host: hostname, port: Number(port) });
		await new Promise<void>((resolve, reject) => {
			socket.once('connect', resolve);
			socket.once('error', reject);
		});
		return new Connection(socket, host);
	}

	/** The lines of a POST that stay the same from call to call, to be given to `post`. */
	headOf(path: string, headers: Readonly<Record<string, string>>): string {
		const lines = Object.entries({ host: this.#host, 'content-type': 'application/json', ...headers }).map(
			([name, value]) => `${name}: ${value}`,
		);
		return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: `;
	}

	/** @throws {Error} the connection broke off, or the answer is framed otherwise. */
	post(head: string, body: string): Promise<Answer> {
		return new Promise((resolve, reject) => {
			if (this.#waiting !== undefined || this.#socket.destroyed)
				throw new Error(`the connection to ${this.#host} is ${this.#waiting === undefined ? 'closed' : 'busy'}`);
			this.#waiting = { resolve, reject };
			this.#socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
		});
	}

	close(): void {
		this.#socket.destroy();
	}

	#take(chunk: Buffer): void {
		const received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
		this.#received = received;
		const headEnd = received.indexOf('\r\n\r\n');
		if (headEnd === -1) return;
		const head = received.toString('latin1', 0, headEnd);
		const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
		const status = Number(head.slice(9, 12));
		if (length === undefined && status !== 202)
			return void this.#socket.destroy(new Error(`${this.#host} sent no Content-Length: ${head}`));
		const end = headEnd + 4 + Number(length ?? 0);
		if (received.length < end) return;
		this.#received = EMPTY;
		const waiting = this.#waiting;
		if (waiting === undefined || received.length > end)
			return void this.#socket.destroy(new Error(`${this.#host} sent more than one answer`));
		this.#waiting = undefined;
		waiting.resolve({ status, head, text: received.toString('utf8', headEnd + 4, end) });
	}

	#fail(error: Error): void {
		this.#waiting?.reject(error);
		this.#waiting = undefined;
	}
}

const EMPTY: Buffer = Buffer.alloc(0);
