import type { JsonObject } from '../../domain.ts';
import { AnswerReader, type Reading } from '../answer-reader.ts';
import { callOf, CallRelay } from '../call-relay.ts';
import { Deadline, within } from '../deadline.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange, type ExchangeFailure } from '../http/exchange.ts';
import { type Lost, refusal } from '../http/refusal.ts';
import { StatusReader } from '../http/status-reader.ts';
import { type Incoming, stripOurMeta } from '../messages.ts';
import { Asks, type ServerRequest } from '../server-requests.ts';
import { SessionMemory } from '../session-memory.ts';
import type { BoundCall, UpstreamAnswer } from '../upstream-call.ts';
import { handshake, type NotOpened, type Opened } from './handshake.ts';
import { holdOwnStream } from './own-stream.ts';
import { sendRequest } from './send-request.ts';

/** What a session tells about its upstream. */
export interface SessionEvents {
	/** The upstream answered something. */
	onUp(): void;
	/** It could not be reached, or broke off. */
	onDown(why: string): void;
	/** A session is there: the first one, or a new one after the upstream lost the last. */
	onOpened(): void;
	/** A notification that belongs to no call. */
	onNotification(message: JsonObject): void;
	/** The stream of such notifications was away for a moment. */
	onGap(): void;
}

export interface SessionOptions {
	/** Of `initialize`; its capabilities are what the upstream may ask for. */
	readonly params: JsonObject;
	readonly serverRequests: readonly ServerRequest[];
	/** The longest time that opening may take. */
	readonly timeoutMs: number;
	/** Whether the stream is held on which the upstream says what belongs to no call; else only once something was asked that comes there. */
	readonly holdsStream: boolean;
	/** What it is asked to keep, also by whoever comes after it. */
	readonly memory?: SessionMemory;
}

type SentCall = Pick<BoundCall, 'message' | 'timeoutMs' | 'maxResultBytes' | 'downstream'>;

const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
const SIDE_TIMEOUT_MS = 10_000;
/** A session that an agent only listens to is opened anew by no call. */
const REOPEN_MS = 500;
const LONGEST_REOPEN_MS = 30_000;
/** What is said to an upstream besides calls, at once; it waits for its answer, or goes without. */
const MAX_SIDE_MESSAGES = 32;
const RESTORED = {
	timeoutMs: SIDE_TIMEOUT_MS,
	maxResultBytes: 65_536,
	downstream: { notify: () => {}, cancelled: new AbortController().signal },
};

/**
 * One session with one upstream of the legacy era over Streamable HTTP, opened at the first need and again whenever the upstream has lost
 * it. A call is sent once; only one that the upstream provably did not take is sent again, in a new session.
 */
export class LegacySession {
	readonly #endpoint: Endpoint;
	readonly #options: SessionOptions;
	readonly #events: SessionEvents;
	readonly #memory: SessionMemory;
	readonly #underWay = new Map<number, CallRelay>();
	#opened: Opened | undefined;
	#opening: Promise<Opened | NotOpened> | undefined;
	#holding: AbortController | undefined;
	#reopening: NodeJS.Timeout | undefined;
	#pauseMs = REOPEN_MS;
	#nextId = 1;
	#sideMessages = 0;
	#isClosed = false;

	constructor(endpoint: Endpoint, options: SessionOptions, events: SessionEvents) {
		this.#endpoint = endpoint;
		this.#options = options;
		this.#events = events;
		this.#memory = options.memory ?? new SessionMemory();
	}

	get isIdle(): boolean {
		return this.#underWay.size === 0 && this.#memory.isEmpty;
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
		const deadline = new Deadline(Math.min(OPEN_TIMEOUT_MS, this.#options.timeoutMs));
		const end = await handshake(this.#endpoint, this.#options.params, this.#nextId++, deadline);
		if ('why' in end) {
			this.#events.onDown(end.why);
			this.#reopenSoon();
			return end;
		}
		this.#opened = end;
		this.#pauseMs = REOPEN_MS;
		this.#events.onUp();
		if (this.#isClosed) void this.close();
		else {
			if (this.#options.holdsStream) void this.#hold(end);
			for (const request of this.#memory.requests) void this.call({ ...RESTORED, message: request });
			this.#events.onOpened();
		}
		return end;
	}

	/** The upstream no longer knows this session; the next call opens another. */
	#forget(opened: Opened): void {
		if (this.#opened !== opened) return;
		this.#opened = undefined;
		this.#holding?.abort();
		this.#holding = undefined;
	}

	/** Sends one request and waits for its answer. Never rejects. */
	async call(call: SentCall): Promise<UpstreamAnswer> {
		const deadline = new Deadline(call.timeoutMs);
		for (let attempt = 1; ; attempt++) {
			const opened = this.#opened ?? (await within(this.open(), deadline));
			if (opened === undefined) return { kind: 'not_sent', why: `no session within ${call.timeoutMs} ms`, isUnreachable: true };
			if ('why' in opened) return { kind: 'not_sent', why: opened.why, isUnreachable: true };
			if (call.downstream.cancelled.aborted) return { kind: 'not_sent', why: 'the agent cancelled the call' };
			const end = await this.#send(opened, call, deadline);
			if (end.kind !== 'lost') return end;
			this.#forget(opened);
			if (attempt === 2) return { kind: 'not_sent', why: end.why };
		}
	}

	async #send(opened: Opened, { message, maxResultBytes, downstream }: SentCall, deadline: Deadline): Promise<UpstreamAnswer | Lost> {
		const id = this.#nextId++;
		const relay = new CallRelay(message, id, {
			downstream,
			maxRelayedBytes: maxResultBytes,
			asks: new Asks({
				allowed: this.#options.serverRequests,
				downstream,
				deadline,
				reply: (response) => this.#post(opened, response),
			}),
			onNotification: (notification) => this.#events.onNotification(notification),
		});
		const reader = new AnswerReader(id, maxResultBytes, (incoming, bytes) => relay.take(incoming, bytes));
		const cancel = (reason: unknown) => {
			relay.end();
			const params = { requestId: id, ...(typeof reason === 'string' ? { reason } : {}) };
			this.#post(opened, { jsonrpc: '2.0', method: 'notifications/cancelled', params });
		};
		const onCancelled = () => cancel(downstream.cancelled.reason);
		downstream.cancelled.addEventListener('abort', onCancelled, { once: true });
		this.#underWay.set(id, relay);
		try {
			const end = await sendRequest({ ...this.#endpoint, headers: opened.headers }, JSON.stringify(relay.request), reader, deadline);
			const answer = this.#toAnswer(end, opened, deadline);
			if (answer.kind === 'answered' && 'result' in answer.message) this.#granted(message, opened);
			if (answer.kind === 'timed_out') cancel('no answer in time');
			return answer;
		} finally {
			downstream.cancelled.removeEventListener('abort', onCancelled);
			this.#underWay.delete(id);
			relay.end();
		}
	}

	#granted(request: JsonObject, opened: Opened): void {
		this.#memory.granted(request);
		if (!this.#memory.isEmpty && this.#opened === opened) void this.#hold(opened);
	}

	#toAnswer(end: Reading | ExchangeFailure, opened: Opened, { totalMs }: Deadline): UpstreamAnswer | Lost {
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
				return { kind: 'timed_out', why: `its stream paused; waited ${totalMs} ms` };
			case 'refused':
				return refusal(end.status, end.error, opened.sessionId !== undefined);
			case 'failed':
				if (!end.isTimeout) this.#events.onDown(end.why);
				if (!end.isSent)
					return end.isTimeout
						? { kind: 'not_sent', why: `no connection within ${totalMs} ms` }
						: { kind: 'not_sent', why: end.why, isUnreachable: true };
				return end.isTimeout ? { kind: 'timed_out', why: `waited ${totalMs} ms` } : { kind: 'broken', why: end.why };
		}
	}

	/** Holds the session's stream, unless it is held already, until there is a newer session. */
	async #hold(opened: Opened): Promise<void> {
		if (this.#holding !== undefined) return;
		const holding = new AbortController();
		this.#holding = holding;
		const { streams } = this.#endpoint;
		const end = await holdOwnStream({ ...this.#endpoint, dispatcher: streams, headers: opened.headers }, holding.signal, {
			onMessage: (message, bytes) => this.#onOwnStream(message, bytes, opened),
			onGap: () => this.#events.onGap(),
		});
		if (end !== 'lost') return;
		this.#forget(opened);
		this.#events.onGap();
		this.#reopenSoon();
	}

	/** Opens it again where an agent waits for what it was asked to say. */
	#reopenSoon(): void {
		if (this.#isClosed || this.#memory.isEmpty || this.#reopening !== undefined) return;
		this.#reopening = setTimeout(() => {
			this.#reopening = undefined;
			void this.open();
		}, this.#pauseMs).unref();
		this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_REOPEN_MS);
	}

	/** Many servers ask here what belongs to a call, because their SDK sends it so unless told which call it is. */
	#onOwnStream(incoming: Incoming, bytes: number, opened: Opened): void {
		const call = callOf(incoming, this.#underWay);
		if (call !== undefined) call.take(incoming, bytes);
		else if (incoming.kind === 'notification') this.#events.onNotification(stripOurMeta(incoming.message));
		else if (incoming.kind === 'request') this.#post(opened, { jsonrpc: '2.0', id: incoming.id, ...outsideOfCalls(incoming.method) });
	}

	/** Sends a notification of the agent, where there is a session that could hear it. */
	notify(message: JsonObject): void {
		if (this.#opened !== undefined) this.#post(this.#opened, message);
	}

	/** Sends a notification or a response; whether it arrives changes nothing. */
	#post({ headers }: Opened, message: JsonObject): void {
		if (this.#sideMessages >= MAX_SIDE_MESSAGES) return;
		this.#sideMessages++;
		const { dispatcher, path } = this.#endpoint;
		const deadline = new Deadline(SIDE_TIMEOUT_MS);
		void exchange(dispatcher, { path, method: 'POST', headers, body: JSON.stringify(message), deadline }, new StatusReader()).finally(
			() => this.#sideMessages--,
		);
	}

	/** Ends the session, and tells the upstream. Never rejects. */
	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#reopening);
		const opened = this.#opened;
		this.#opened = undefined;
		this.#holding?.abort();
		if (opened?.sessionId === undefined) return;
		const { dispatcher, path } = this.#endpoint;
		const deadline = new Deadline(CLOSE_TIMEOUT_MS);
		await exchange(dispatcher, { path, method: 'DELETE', headers: opened.headers, deadline }, new StatusReader());
	}
}

/** The answer to a request that belongs to no call, or to one of several. */
export function outsideOfCalls(method: string): JsonObject {
	if (method === 'ping') return { result: {} };
	return { error: { code: -32601, message: `ToolGate relays ${method.slice(0, 100)} only inside a call` } };
}
