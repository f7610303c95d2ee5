import { readFile } from 'node:fs/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { MAX_PACKED_BYTES, refuseBundle } from '../bundle-files.ts';
import type { BundleSource, SourceListener } from './bundle-source.ts';

export interface HttpSourceOptions {
	/** Where the bundle is. */
	readonly url: string;
	readonly headers?: Readonly<Record<string, string>>;
	/** Sent as a bearer token; from a file it is read before each request, so that it can be changed. */
	readonly token?: { readonly text: string } | { readonly file: string };
	readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly passphrase?: string };
	/** Between two looks: a time chosen between them. */
	readonly minDelayMs: number;
	readonly maxDelayMs: number;
	/** How long the service may hold a request until there is something new; absent: it is asked anew each time. */
	readonly longPollMs?: number;
	/** How long it may take to begin an answer. */
	readonly timeoutMs: number;
	readonly isPersisted: boolean;
	readonly maxBytes?: number;
}

/** The content type by which a bundle service says that it can hold requests. */
const HOLDS_REQUESTS = 'application/vnd.openpolicyagent.bundles';
const FIRST_RETRY_MS = 100;
const RETRY_FACTOR = 1.6;
const RETRY_JITTER = 0.2;
/** A service that holds nothing back, although it says so, is asked no more often than this. */
const SHORTEST_POLL_MS = 500;
/** So long a start waits for the first bundle. */
const FIRST_LOOK_MS = 3_000;
const BODY_PAUSE_MS = 10_000;
const WHOLE_BODY_MS = 120_000;

type Answer = { readonly packed?: Uint8Array; readonly etag: string | undefined; readonly holds: boolean };

/** A bundle service that speaks OPA's protocol: ETags, `304`, and long polling. Redirects are not followed. */
export class HttpSource implements BundleSource {
	readonly says: string;
	readonly isPersisted: boolean;
	readonly #options: HttpSourceOptions;
	readonly #agent: Agent;
	readonly #closing = new AbortController();
	#etag: string | undefined;
	#holds = false;
	#polling: Promise<void> = Promise.resolve();

	constructor(options: HttpSourceOptions) {
		this.#options = options;
		this.says = options.url;
		this.isPersisted = options.isPersisted;
		this.#agent = new Agent({ connect: { timeout: options.timeoutMs, ...options.tls }, bodyTimeout: BODY_PAUSE_MS, connections: 2 });
	}

	async read(): Promise<Uint8Array> {
		const { packed, etag } = await this.#ask({ isWhole: true });
		this.#etag = etag;
		return packed!;
	}

	async watch(listener: SourceListener): Promise<void> {
		let looked = (): void => {};
		const first = new Promise<void>((resolve) => (looked = resolve));
		this.#polling = this.#poll(listener, looked);
		await Promise.race([first, pause(FIRST_LOOK_MS, this.#closing.signal)]);
	}

	async close(): Promise<void> {
		this.#closing.abort();
		await this.#polling;
		await this.#agent.destroy();
	}

	async #poll(listener: SourceListener, looked: () => void): Promise<void> {
		const { signal } = this.#closing;
		for (let failures = 0; !signal.aborted; ) {
			const beganMs = performance.now();
			try {
				const { packed, etag, holds } = await this.#ask({ isWhole: false });
				failures = 0;
				// Kept whatever becomes of the bundle: one that was refused is refused again.
				this.#etag = etag;
				this.#holds = holds;
				if (packed === undefined) listener.unchanged();
				else await listener.found(packed);
			} catch (error) {
				if (signal.aborted) return;
				failures++;
				this.#holds = false;
				await listener.failed((error as Error).message);
			}
			looked();
			await pause(this.#delayMs(failures, performance.now() - beganMs), signal);
		}
	}

	#delayMs(failures: number, tookMs: number): number {
		const { minDelayMs, maxDelayMs, longPollMs } = this.#options;
		if (failures > 0) {
			const delay = Math.min(FIRST_RETRY_MS * RETRY_FACTOR ** (failures - 1), maxDelayMs);
			return delay * (1 + RETRY_JITTER * (2 * Math.random() - 1));
		}
		if (this.#holds && longPollMs !== undefined) return Math.max(0, SHORTEST_POLL_MS - tookMs);
		return minDelayMs + (maxDelayMs - minDelayMs) * Math.random();
	}

	/** @throws {ToolGateError} BUNDLE: what the service did instead of answering. */
	async #ask({ isWhole }: { isWhole: boolean }): Promise<Answer> {
		const { url, longPollMs, timeoutMs } = this.#options;
		const mayHold = !isWhole && this.#holds && longPollMs !== undefined && this.#etag !== undefined;
		const headersTimeout = timeoutMs + (mayHold ? longPollMs : 0);
		const headers = {
			...this.#options.headers,
			...(await this.#authorization()),
			prefer: `modes=snapshot${mayHold ? `;wait=${Math.ceil(longPollMs / 1000)}` : ''}`,
			...(isWhole || this.#etag === undefined ? {} : { 'if-none-match': this.#etag }),
		};
		const deadline = AbortSignal.timeout(headersTimeout + WHOLE_BODY_MS);
		let response: Dispatcher.ResponseData;
		try {
			response = await request(url, {
				dispatcher: this.#agent,
				headers,
				headersTimeout,
				signal: AbortSignal.any([deadline, this.#closing.signal]),
			});
		} catch (cause) {
			return refuseBundle(`${url}: ${reason(cause)}`, { cause });
		}
		const { statusCode, headers: answered, body } = response;
		const holds = text(answered['content-type']) === HOLDS_REQUESTS;
		if (statusCode === 200) return { packed: await this.#download(response), etag: text(answered['etag']), holds };
		body.on('error', () => {}).resume();
		if (statusCode === 304 && !isWhole) return { etag: text(answered['etag']) ?? this.#etag, holds: holds || this.#holds };
		return refuseBundle(`${url}: HTTP ${statusCode}${statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : ''}`);
	}

	/** The body, given up as soon as it is over the limit. */
	async #download({ headers, body }: Dispatcher.ResponseData): Promise<Uint8Array> {
		const { url, maxBytes = MAX_PACKED_BYTES } = this.#options;
		const announced = Number(text(headers['content-length']) ?? 0);
		const pieces: Buffer[] = [];
		let bytes = 0;
		try {
			if (announced > maxBytes) refuseBundle(`${url}: ${announced} bytes, at most ${maxBytes}`);
			for await (const piece of body as AsyncIterable<Buffer>) {
				bytes += piece.length;
				if (bytes > maxBytes) refuseBundle(`${url}: more than ${maxBytes} bytes`);
				pieces.push(piece);
			}
		} catch (cause) {
			body.on('error', () => {}).destroy();
			if ((cause as { code?: unknown }).code === 'BUNDLE') throw cause;
			return refuseBundle(`${url}: the download broke off (${reason(cause)})`, { cause });
		}
		return Buffer.concat(pieces);
	}

	async #authorization(): Promise<Record<string, string>> {
		const { token } = this.#options;
		if (token === undefined) return {};
		if ('text' in token) return { authorization: `Bearer ${token.text}` };
		const read = await readFile(token.file, 'utf8').catch((cause: NodeJS.ErrnoException) =>
			refuseBundle(`${token.file}: the token can't be read (${cause.code})`, { cause }),
		);
		return { authorization: `Bearer ${read.trim()}` };
	}
}

const text = (header: string | string[] | undefined): string | undefined => (typeof header === 'string' ? header : header?.[0]);

function reason(error: unknown): string {
	const { code, name, message } = error as NodeJS.ErrnoException;
	if (
		code === 'UND_ERR_HEADERS_TIMEOUT' ||
		code === 'UND_ERR_BODY_TIMEOUT' ||
		code === 'UND_ERR_CONNECT_TIMEOUT' ||
		name === 'TimeoutError'
	)
		return 'no answer in time';
	return code ?? message;
}

/** Resolves after `ms`, or when `signal` fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) return resolve();
		const end = (): void => {
			clearTimeout(timer);
			signal.removeEventListener('abort', end);
			resolve();
		};
		const timer = setTimeout(end, ms).unref();
		signal.addEventListener('abort', end);
	});
}
