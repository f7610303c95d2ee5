import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Child, type ChildState } from './child.ts';
import { SERVICE_NAMES, type Service, type ServiceName, servicesOf, type StackOptions } from './services.ts';

/** What `supervisor.json` says of a running stack. */
export interface StackFile {
	readonly pid: number;
	/** Where services are stopped and started. */
	readonly controlUrl: string;
	readonly controlToken: string;
	readonly dataDir: string;
	readonly services: Readonly<Record<ServiceName, string>>;
	readonly peopleUrl: string;
}

export interface ServiceStatus {
	readonly name: ServiceName;
	readonly url: string;
	readonly state: ChildState;
	readonly pid?: number;
}

export interface SupervisorOptions extends StackOptions {
	/** Told as each service begins to start and answers. */
	readonly onProgress?: (service: Service, state: 'starting' | 'up', tookMs: number) => void;
	/** A service ended by itself. */
	readonly onCrash?: (service: Service, lastLines: readonly string[]) => void;
}

/** Owns the processes of one stack, and a control port through which others stop and start them. */
export class Supervisor {
	readonly #options: SupervisorOptions;
	readonly #children: ReadonlyMap<ServiceName, Child>;
	readonly #control: Server;
	readonly #token = randomBytes(24).toString('base64url');
	readonly #stopping = new AbortController();
	#stopped: Promise<void> | undefined;

	constructor(options: SupervisorOptions) {
		this.#options = options;
		const logs = join(options.dataDir, 'logs');
		mkdirSync(logs, { recursive: true, mode: 0o700 });
		this.#children = new Map(
			servicesOf(options).map((service) => [
				service.name,
				new Child(service, join(logs, `${service.name}.log`), (lastLines) => options.onCrash?.(service, lastLines)),
			]),
		);
		this.#control = createServer((request, response) => void this.#answer(request, response));
	}

	get file(): string {
		return join(this.#options.dataDir, 'supervisor.json');
	}

	services(): ServiceStatus[] {
		return [...this.#children.values()].map(({ service, state, pid }) => ({
			name: service.name,
			url: service.url,
			state,
			...(pid === undefined ? {} : { pid }),
		}));
	}

	/** Starts every service, those that need no other at once. @throws {Error} one did not come up; the others are stopped. */
	async start(): Promise<StackFile> {
		try {
			await this.#startAll(['localstripe', 'mock-lark']);
			await this.#startAll(['localstripe-mcp']);
			await this.#startAll(['gateway']);
			await this.#startAll(['eval-trigger']);
		} catch (error) {
			await this.stop();
			throw error;
		}
		await new Promise<void>((resolve) => this.#control.listen({ host: '127.0.0.1', port: 0 }, resolve));
		const { port } = this.#control.address() as AddressInfo;
		const stack: StackFile = {
			pid: process.pid,
			controlUrl: `http://127.0.0.1:${port}`,
			controlToken: this.#token,
			dataDir: this.#options.dataDir,
			services: Object.fromEntries(this.services().map(({ name, url }) => [name, url])) as Record<ServiceName, string>,
			peopleUrl: `http://127.0.0.1:${this.#options.ports.people}`,
		};
		writeFileSync(this.file, `${JSON.stringify(stack, undefined, 2)}\n`, { mode: 0o600 });
		return stack;
	}

	async #startAll(names: readonly ServiceName[]): Promise<void> {
		await Promise.all(
			names.map(async (name) => {
				const child = this.#children.get(name)!;
				const began = performance.now();
				this.#options.onProgress?.(child.service, 'starting', 0);
				await child.start(this.#stopping.signal);
				this.#options.onProgress?.(child.service, 'up', performance.now() - began);
			}),
		);
	}

	/** Stops every process, agents first. Leaves nothing behind; safe to call twice. */
	stop(): Promise<void> {
		this.#stopped ??= (async () => {
			this.#stopping.abort(new Error('stopped while starting'));
			rmSync(this.file, { force: true });
			for (const name of [...SERVICE_NAMES].reverse()) await this.#children.get(name)?.stop();
			this.#control.closeAllConnections();
			await new Promise<void>((resolve) => this.#control.close(() => resolve()));
		})();
		return this.#stopped;
	}

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const send = (status: number, body: object) =>
			response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
		if (request.headers.authorization !== `Bearer ${this.#token}`)
			return void send(401, { error: 'the control token is in supervisor.json' });
		const [, services, name, act] = (request.url ?? '').split('/');
		if (request.method === 'GET' && request.url === '/services') return void send(200, { services: this.services() });
		const child = this.#children.get(name as ServiceName);
		if (request.method !== 'POST' || services !== 'services' || (act !== 'stop' && act !== 'start'))
			return void send(404, { error: 'POST /services/<name>/stop or /start' });
		if (child === undefined) return void send(404, { error: `no service ${name}; there are ${SERVICE_NAMES.join(', ')}` });
		try {
			await child[act]();
			send(200, { services: this.services() });
		} catch (error) {
			send(500, { error: (error as Error).message });
		}
	}
}
