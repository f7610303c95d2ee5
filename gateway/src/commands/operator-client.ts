import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { request } from 'undici';
import { loadConfig } from '../config.ts';
import type { JsonObject } from '../domain.ts';
import { CommandFailure } from './command-failure.ts';

export interface OperatorOptions {
	readonly config?: string;
	readonly url?: string;
}

/** A running gateway as its operator reaches it: every live command goes over the people listener, never into the data folder. */
export class OperatorClient {
	readonly url: string;
	/** Where a browser reaches it. */
	readonly publicUrl: string;
	readonly #token: string;

	constructor(options: OperatorOptions) {
		const { config } = loadConfig(options.config);
		const { host, port } = config.listen.people;
		const reachable = host === '0.0.0.0' ? '127.0.0.1' : host.includes(':') ? `[${host === '::' ? '::1' : host}]` : host;
		this.url = (options.url ?? `http://${reachable}:${port}`).replace(/\/$/, '');
		this.publicUrl = options.url === undefined && config.approvals.url !== undefined ? config.approvals.url.replace(/\/$/, '') : this.url;
		const file = join(config.dataDir, 'operator.token');
		const token = config.operator.token ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined);
		if (token === undefined) {
			throw new CommandFailure(
				2,
				`no operator token: ${file} does not exist and TOOLGATE_OPERATOR_TOKEN is not set; start the gateway first (npm start, or toolgate serve), or name its config with --config`,
			);
		}
		this.#token = token;
	}

	get<T = JsonObject>(path: string): Promise<T> {
		return this.#send('GET', path);
	}

	post<T = JsonObject>(path: string, body: JsonObject = {}): Promise<T> {
		return this.#send('POST', path, body);
	}

	delete<T = JsonObject>(path: string): Promise<T> {
		return this.#send('DELETE', path);
	}

	/** The data of each server-sent event, until the stream ends or `signal` fires. */
	async *stream(path: string, signal: AbortSignal): AsyncGenerator<JsonObject> {
		const response = await this.#request('GET', path, undefined, signal);
		// A character may arrive in two pieces.
		const decoder = new TextDecoder();
		let buffered = '';
		try {
			for await (const chunk of response.body) {
				buffered += decoder.decode(chunk as Buffer, { stream: true });
				const parts = buffered.split('\n\n');
				buffered = parts.pop()!;
				for (const part of parts) {
					const line = part.split('\n').find((candidate) => candidate.startsWith('data: '));
					if (line !== undefined) yield JSON.parse(line.slice(6)) as JsonObject;
				}
			}
		} catch (error) {
			if (!signal.aborted) throw new CommandFailure(2, `the gateway at ${this.url} ended the stream`, { cause: error });
		}
	}

	/** What the gateway answers, as it comes. */
	async bytes(path: string): Promise<Readable> {
		return (await this.#request('GET', path, undefined, new AbortController().signal)).body;
	}

	async #send<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: JsonObject): Promise<T> {
		const response = await this.#request(method, path, body);
		try {
			return (await response.body.json()) as T;
		} catch (cause) {
			throw new CommandFailure(2, `what answers at ${this.url} is no ToolGate gateway, or broke off; name its people listener with --url`, {
				cause,
			});
		}
	}

	async #request(method: 'GET' | 'POST' | 'DELETE', path: string, body?: JsonObject, signal?: AbortSignal) {
		let response: Awaited<ReturnType<typeof request>>;
		try {
			response = await request(this.url + path, {
				method,
				headers: { authorization: `Bearer ${this.#token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
				...(body === undefined ? {} : { body: JSON.stringify(body) }),
				...(signal === undefined ? {} : { signal, bodyTimeout: 0 }),
			});
		} catch (cause) {
			throw new CommandFailure(2, `no gateway answers at ${this.url}; start one with npm start or toolgate serve`, { cause });
		}
		if (response.statusCode < 400) return response;
		const answer = (await response.body.json().catch(() => ({}))) as { error?: { code?: string; message?: string } };
		const text = answer.error?.message ?? `HTTP ${response.statusCode}`;
		throw new CommandFailure(
			response.statusCode === 401 ? 2 : 1,
			response.statusCode === 401
				? `the gateway at ${this.url} refused the operator token: it belongs to another data folder; name its config with --config`
				: text,
		);
	}
}
