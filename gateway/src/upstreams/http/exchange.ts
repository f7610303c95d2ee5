import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Deadline } from '../deadline.ts';

/** Reads one HTTP answer as it comes. A method that returns a value ends the exchange: that value is its result. */
export interface AnswerReader<T> {
	head(status: number, headers: IncomingHttpHeaders): T | undefined;
	chunk(bytes: Buffer): T | undefined;
	/** The body is whole. */
	end(): T;
}

/** An exchange without a result. `isSent` false is a promise: not one byte of the request went out, and none will. */
export interface ExchangeFailure {
	readonly kind: 'failed';
	readonly isSent: boolean;
	readonly isTimeout: boolean;
	readonly why: string;
}

export interface ExchangeOptions {
	readonly path: string;
	readonly method: 'GET' | 'POST' | 'DELETE';
	readonly headers: readonly string[];
	readonly body?: string;
	/** When the result has to be there; absent for streams that are held. */
	readonly deadline?: Deadline;
	/** Aborted: the exchange fails at once. */
	readonly signal?: AbortSignal;
}

/** What follows a result is read this long, so that the connection can serve again; a longer one is cut. */
const DRAIN_MS = 1_000;
const DRAIN_BYTES = 65_536;

/**
 * One request and its answer on a pool. Never rejects. Timers are its own: undici's fire late, and end what is silent for 300 s, which a call
 * may be until its deadline and a held stream for ever. Redirects are an answer like any other.
 */
export function exchange<T>(dispatcher: Dispatcher, options: ExchangeOptions, reader: AnswerReader<T>): Promise<T | ExchangeFailure> {
	return new Promise((resolve) => {
		const handler = new Exchange(options, reader, resolve);
		const { path, method, headers, body } = options;
		try {
			dispatcher.dispatch({ path, method, headers: headers as string[], body: body ?? null, headersTimeout: 0, bodyTimeout: 0 }, handler);
		} catch (error) {
			handler.onResponseError(undefined, error as Error);
		}
	});
}

class Exchange<T> implements Dispatcher.DispatchHandler {
	readonly #reader: AnswerReader<T>;
	readonly #resolve: (end: T | ExchangeFailure) => void;
	readonly #options: ExchangeOptions;
	readonly #stopWatch: (() => void) | undefined;
	#drain: NodeJS.Timeout | undefined;
	#drainedBytes = 0;
	#controller: Dispatcher.DispatchController | undefined;
	#isSettled = false;

	constructor(options: ExchangeOptions, reader: AnswerReader<T>, resolve: (end: T | ExchangeFailure) => void) {
		this.#options = options;
		this.#reader = reader;
		this.#resolve = resolve;
		const { deadline, signal } = options;
		this.#stopWatch = deadline?.watch(() => this.#fail('no answer in time', true));
		if (signal?.aborted === true) this.#onAbort();
		else signal?.addEventListener('abort', this.#onAbort, { once: true });
	}

	readonly #onAbort = (): void => this.#fail('the gateway ended it', false);

	/** A connection is there and nothing is written yet: the last moment at which a settled request can be held back. */
	onRequestStart(controller: Dispatcher.DispatchController): void {
		this.#controller = controller;
		if (this.#isSettled) controller.abort(new Error('settled before it was sent'));
	}

	onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
		this.#take(this.#reader.head(status, headers));
	}

	onResponseData(_: Dispatcher.DispatchController, bytes: Buffer): void {
		if (!this.#isSettled) this.#take(this.#reader.chunk(bytes));
		else if ((this.#drainedBytes += bytes.length) > DRAIN_BYTES) this.#cut();
	}

	onResponseEnd(): void {
		clearTimeout(this.#drain);
		if (!this.#isSettled) this.#settle(this.#reader.end());
	}

	onResponseError(_: unknown, error: Error): void {
		clearTimeout(this.#drain);
		this.#fail(describe(error), false);
	}

	#take(result: T | undefined): void {
		if (result === undefined) return;
		this.#settle(result);
		this.#drain = setTimeout(() => this.#cut(), DRAIN_MS);
	}

	#fail(why: string, isTimeout: boolean): void {
		if (this.#isSettled) return;
		this.#settle({ kind: 'failed', isSent: this.#controller !== undefined, isTimeout, why });
		this.#cut();
	}

	#settle(end: T | ExchangeFailure): void {
		if (this.#isSettled) return;
		this.#isSettled = true;
		this.#stopWatch?.();
		this.#options.signal?.removeEventListener('abort', this.#onAbort);
		this.#resolve(end);
	}

	#cut(): void {
		clearTimeout(this.#drain);
		this.#controller?.abort(new Error('no longer wanted'));
	}
}

const SENTENCES: Record<string, string> = {
	ECONNREFUSED: 'connection refused',
	ENOTFOUND: 'its host name is not known',
	EAI_AGAIN: 'its host name can not be looked up',
	ECONNRESET: 'connection reset',
	EPIPE: 'connection reset',
	EHOSTUNREACH: 'host unreachable',
	ENETUNREACH: 'network unreachable',
	UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
	UND_ERR_SOCKET: 'the connection broke off',
	UND_ERR_CLOSED: 'the gateway is closing',
	UND_ERR_DESTROYED: 'the gateway is closing',
	UND_ERR_HEADERS_OVERFLOW: 'its headers are too long',
};

/** One phrase without addresses or stack. */
function describe(error: Error & { code?: string; errors?: (Error & { code?: string })[] }): string {
	const code = error.code ?? error.errors?.[0]?.code ?? '';
	// llhttp names what it refuses by codes of its own: HPE_…
	return SENTENCES[code] ?? (code.startsWith('HPE_') ? `not HTTP (${code})` : error.message || code || 'unknown error');
}
