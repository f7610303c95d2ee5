import type { UpstreamAnswer, UpstreamCall } from '../upstream-call.ts';
import type { JsonObject } from '../../domain.ts';
import { exchange, type ExchangeFailure } from '../http/exchange.ts';
import { StatusReader } from '../http/status-reader.ts';
import { AnswerReader, type Reading } from './answer-reader.ts';
import { CallRelay } from './call-relay.ts';
import { type Endpoint, handshake, type NotOpened, type Opened } from './handshake.ts';
import { stripOurMeta } from './messages.ts';
import { type Lost, refusal } from './refusal.ts';
import { sendRequest } from './send-request.ts';

/** What a session tells about its upstream. */
export interface SessionEvents {
	/** The upstream answered something. */
	onUp(): void;
	/** It could not be reached, or broke off. */
	onDown(why: string): void;
	/** A session is there: the first one, or a new one after the upstream lost the last. */
	onOpened(opened: Opened): void;
	onNotification(method: string): void;
}

export interface SessionLimits {
	readonly timeoutMs: number;
	readonly maxResultBytes: number;
}

type SentCall = Pick<UpstreamCall, 'message' | 'timeoutMs' | 'maxResultBytes' | 'downstream'>;

interface Bounds extends Required<Omit<SentCall, 'message'>> {
	/** Of `performance.now()`. */
	readonly endsAtMs: number;
}

const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
const SIDE_TIMEOUT_MS = 10_000;
/** Answers to an upstream's requests under way at once; it waits for its answer, or goes without. */
const MAX_REPLIES = 16;

/**
 * One session with one upstream of the legacy era over Streamable HTTP, opened at the first need and again whenever the upstream has lost
 * it. A call is sent once; only one that the upstream provably did not take is sent again, in a new session.
 */
export class LegacySession {
	readonly #endpoint: Endpoint;
	readonly #initializeParams: JsonObject;
	readonly #limits: SessionLimits;
	readonly #events: SessionEvents;
	#opened: Opened | undefined;
	#opening: Promise<Opened | NotOpened> | undefined;
	#nextId = 1;
	#replies = 0;
	#isClosed = false;

	constructor(endpoint: Endpoint, initializeParams: JsonObject, limits: SessionLimits, events: SessionEvents) {
		this.#endpoint = endpoint;
		this.#initializeParams = initializeParams;
		this.#limits = limits;
		this.#events = events;
	}

	/** The session, opened if need be; callers at the same time share one `initialize`. Never rejects. */
	async open(): Promise<Opened | NotOpened> {
		if (this.#opened !== undefined) return this.#opened;
		if (this.#isClosed) return { why: 'the session has ended' };
		this.#opening ??= this.#initialize().finally(() => {
			this.#opening = undefined;
		});
		return this.#opening;
	}

	async #initialize(): Promise<Opened | NotOpened> {
		const timeoutMs = Math.min(OPEN_TIMEOUT_MS, this.#limits.timeoutMs);
		const end = await handshake(this.#endpoint, this.#initializeParams, this.#nextId++, timeoutMs);
		if ('why' in end) {
			this.#events.onDown(end.why);
			return end;
		}
		this.#opened = end;
		this.#events.onUp();
		this.#events.onOpened(end);
		if (this.#isClosed) void this.close();
		return end;
	}

	/** The upstream no longer knows this session; the next call opens another. */
	forget(opened: Opened): void {
		if (this.#opened === opened) this.#opened = undefined;
	}

	/** Sends one request and waits for its answer. Never rejects. */
	async call({
		message,
		timeoutMs = this.#limits.timeoutMs,
		maxResultBytes = this.#limits.maxResultBytes,
		downstream,
	}: SentCall): Promise<UpstreamAnswer> {
		const endsAtMs = performance.now() + timeoutMs;
		for (let attempt = 1; ; attempt++) {
			const opened = this.#opened ?? (await within(this.open(), endsAtMs - performance.now()));
			if (opened === undefined) return { kind: 'not_sent', why: `no session within ${timeoutMs} ms` };
			if ('why' in opened) return { kind: 'not_sent', why: opened.why };
			if (downstream.cancelled.aborted) return { kind: 'not_sent', why: 'the agent cancelled the call' };
			const end = await this.#send(opened, message, { timeoutMs, endsAtMs, maxResultBytes, downstream });
			if (end.kind !== 'lost') return end;
			this.forget(opened);
			if (attempt === 2) return { kind: 'not_sent', why: end.why };
		}
	}

	async #send(
		opened: Opened,
		message: JsonObject,
		{ timeoutMs, endsAtMs, maxResultBytes, downstream }: Bounds,
	): Promise<UpstreamAnswer | Lost> {
		const { dispatcher, path } = this.#endpoint;
		const id = this.#nextId++;
		const relay = new CallRelay(message, id, {
			downstream,
			maxRelayedBytes: maxResultBytes,
			onNotification: (method) => this.#events.onNotification(method),
			onRequest: (requestId, method) => this.reply(opened, requestId, method),
		});
		const reader = new AnswerReader(id, maxResultBytes, (incoming, bytes) => relay.take(incoming, bytes));
		const cancel = () =>
			void this.#post(opened, {
				jsonrpc: '2.0',
				method: 'notifications/cancelled',
				params: { requestId: id, ...reasonOf(downstream.cancelled) },
			});
		downstream.cancelled.addEventListener('abort', cancel, { once: true });
		try {
			const end = await sendRequest({ dispatcher, path, headers: opened.headers }, JSON.stringify(relay.request), reader, endsAtMs);
			return this.#toAnswer(end, opened, timeoutMs);
		} finally {
			downstream.cancelled.removeEventListener('abort', cancel);
		}
	}

	#toAnswer(end: Reading | ExchangeFailure, opened: Opened, timeoutMs: number): UpstreamAnswer | Lost {
		if (end.kind !== 'failed') this.#events.onUp();
		switch (end.kind) {
			case 'answered':
				// With a session, 404 says that it is gone, whatever stands in the body ("Session Management", rule 3).
				if (end.status === 404 && opened.sessionId !== undefined) return { kind: 'lost', why: 'it lost the session again' };
				return { kind: 'answered', message: stripOurMeta(end.message), bytes: end.bytes };
			case 'too_large':
			case 'broken':
				return end;
			case 'paused':
				return { kind: 'timed_out', why: `its stream paused; waited ${timeoutMs} ms` };
			case 'refused':
				return refusal(end.status, end.error, opened.sessionId !== undefined);
			case 'failed':
				if (!end.isTimeout) this.#events.onDown(end.why);
				if (!end.isSent) return { kind: 'not_sent', why: end.isTimeout ? `no connection within ${timeoutMs} ms` : end.why };
				return end.isTimeout ? { kind: 'timed_out', why: `waited ${timeoutMs} ms` } : { kind: 'broken', why: end.why };
		}
	}

	/** Answers a request of the upstream: a ping, and a refusal of everything else. */
	reply(opened: Opened, id: number | string, method: string): void {
		if (this.#replies >= MAX_REPLIES) return;
		const payload: JsonObject =
			method === 'ping' ? { result: {} } : { error: { code: -32601, message: `ToolGate does not relay ${method.slice(0, 100)}` } };
		this.#replies++;
		void this.#post(opened, { jsonrpc: '2.0', id, ...payload }).finally(() => this.#replies--);
	}

	/** Sends a notification or a response; whether it arrives changes nothing. */
	async #post(opened: Opened, message: JsonObject): Promise<void> {
		const { dispatcher, path } = this.#endpoint;
		await exchange(
			dispatcher,
			{ path, method: 'POST', headers: opened.headers, body: JSON.stringify(message), timeoutMs: SIDE_TIMEOUT_MS },
			new StatusReader(),
		);
	}

	/** Ends the session, and tells the upstream. Never rejects. */
	async close(): Promise<void> {
		this.#isClosed = true;
		const opened = this.#opened;
		this.#opened = undefined;
		if (opened?.sessionId === undefined) return;
		const { dispatcher, path } = this.#endpoint;
		await exchange(dispatcher, { path, method: 'DELETE', headers: opened.headers, timeoutMs: CLOSE_TIMEOUT_MS }, new StatusReader());
	}
}

/** The promise's value, or undefined when it takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<undefined>((resolve) => {
		timer = setTimeout(() => resolve(undefined), Math.max(0, ms));
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function reasonOf(signal: AbortSignal): { reason?: string } {
	return typeof signal.reason === 'string' ? { reason: signal.reason } : {};
}
