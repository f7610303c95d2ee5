import type { JsonObject } from '../../domain.ts';
import { callOf, CallRelay } from '../call-relay.ts';
import { Deadline, within } from '../deadline.ts';
import { FloodGate } from '../flood-gate.ts';
import type { Link, LinkOptions } from '../link.ts';
import { REVISIONS } from '../legacy/handshake.ts';
import { outsideOfCalls } from '../legacy/session.ts';
import { type Incoming, isObject, readMessage, stripOurMeta, withoutEnvelope } from '../messages.ts';
import { allowedCapabilities, Asks, EVERYTHING } from '../server-requests.ts';
import type { BoundCall, UpstreamAnswer } from '../upstream-call.ts';
import { Child, type Command } from './child.ts';
import { SharedWishes } from './shared-wishes.ts';

export type { Command };

/** A call that was written and waits for its answer. */
interface Waiting {
	readonly maxResultBytes: number;
	settle(answer: UpstreamAnswer): void;
}

interface Running {
	readonly child: Child;
	readonly introduction: JsonObject;
	readonly sinceMs: number;
}

/** A process that floods is read again after this long. */
const FLOOD_PAUSE_MS = 500;
/** The first run of `npx` may have to fetch the package. */
const START_TIMEOUT_MS = 60_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** One that ran so long is started again at once; what ends earlier waits longer each time. */
const STEADY_MS = 10_000;
const QUIET = { timeoutMs: 10_000, maxResultBytes: 65_536, downstream: { notify: () => {}, cancelled: new AbortController().signal } };

/**
 * The legacy era over standard input and output: one process with one session, which all agent sessions share. So a request of the upstream
 * reaches an agent only while exactly one call is open, and what it says to all is told to no agent.
 */
export class Stdio implements Link {
	readonly eras = ['legacy'] as const;
	readonly #command: Command;
	readonly #options: LinkOptions;
	readonly #waiting = new Map<number, Waiting>();
	/** Of agents only: the gateway's own requests could not have made the upstream ask. */
	readonly #underWay = new Map<number, CallRelay>();
	readonly #wishes = new SharedWishes();
	readonly #gate = new FloodGate();
	#running: Running | undefined;
	#starting: Promise<Running | { readonly why: string }> | undefined;
	#child: Child | undefined;
	#restart: NodeJS.Timeout | undefined;
	#pauseMs = FIRST_PAUSE_MS;
	#nextId = 1;
	#why = '';
	#isClosed = false;

	constructor(command: Command, options: LinkOptions) {
		this.#command = command;
		this.#options = options;
	}

	async introduction(): Promise<JsonObject> {
		const running = await this.#ready();
		if ('why' in running) throw new Error(running.why);
		return running.introduction;
	}

	async openSession(agentSessionId: string): Promise<void> {
		for (const message of this.#options.memoryOf(agentSessionId).requests) {
			const toSend = this.#wishes.toSend(message, agentSessionId);
			// A process that is not there yet hears all wishes at its start.
			if (toSend !== undefined && this.#running !== undefined) void this.call({ ...QUIET, upstream: this.#options.name, message: toSend });
		}
	}

	async closeSession(agentSessionId: string): Promise<void> {
		for (const message of this.#wishes.leave(agentSessionId)) void this.call({ ...QUIET, upstream: this.#options.name, message });
	}

	async call(call: BoundCall): Promise<UpstreamAnswer> {
		const deadline = new Deadline(call.timeoutMs);
		const running = this.#running ?? (await within(this.#ready(), deadline));
		if (running === undefined) return { kind: 'not_sent', why: `it did not start within ${call.timeoutMs} ms`, isUnreachable: true };
		if ('why' in running) return { kind: 'not_sent', why: running.why, isUnreachable: true };
		if (call.downstream.cancelled.aborted) return { kind: 'not_sent', why: 'the agent cancelled the call' };
		const message = this.#wishes.toSend(withoutEnvelope(call.message), call.sessionId);
		// Somebody else wants the same already.
		const answer: UpstreamAnswer =
			message === undefined
				? { kind: 'answered', message: { jsonrpc: '2.0', id: 0, result: {} }, bytes: 2 }
				: await this.#send(running.child, { ...call, message }, deadline);
		if (answer.kind !== 'answered' || 'error' in answer.message) this.#wishes.refused(call.message, call.sessionId);
		else if (call.sessionId !== undefined) this.#options.memoryOf(call.sessionId).granted(call.message);
		return answer;
	}

	notify(): void {
		// The process knows the gateway, and none of the agents.
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		clearTimeout(this.#restart);
		await this.#child?.close();
	}

	#send(
		child: Child,
		{ message, maxResultBytes, downstream, sessionId, principalId }: BoundCall,
		deadline: Deadline,
	): Promise<UpstreamAnswer> {
		return new Promise((resolve) => {
			const id = this.#nextId++;
			const relay = new CallRelay(message, id, {
				downstream,
				maxRelayedBytes: maxResultBytes,
				asks: new Asks({ allowed: this.#options.serverRequests, downstream, deadline, reply: (response) => void child.send(response) }),
				onNotification: (notification) => this.#onNotification(notification),
			});
			const cancel = (reason: string) => {
				relay.end();
				child.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason } });
			};
			const onCancelled = () => cancel('the agent cancelled the call');
			const settle = (answer: UpstreamAnswer) => {
				this.#waiting.delete(id);
				this.#underWay.delete(id);
				downstream.cancelled.removeEventListener('abort', onCancelled);
				stopWatch();
				relay.end();
				resolve(answer);
			};
			const stopWatch = deadline.watch(() => {
				cancel('no answer in time');
				settle({ kind: 'timed_out', why: `waited ${deadline.totalMs} ms` });
			});
			downstream.cancelled.addEventListener('abort', onCancelled, { once: true });
			this.#waiting.set(id, { maxResultBytes, settle });
			if (sessionId !== undefined || principalId !== undefined) this.#underWay.set(id, relay);
			if (!child.send(relay.request)) settle({ kind: 'not_sent', why: 'it does not read its input', isUnreachable: true });
		});
	}

	/** The process, started and initialized if need be; while it waits to be started again, why it ended. Never rejects. */
	async #ready(): Promise<Running | { readonly why: string }> {
		if (this.#running !== undefined) return this.#running;
		if (this.#isClosed) return { why: 'the gateway is closing' };
		if (this.#restart !== undefined) return { why: `${this.#why}; it is started again soon` };
		this.#starting ??= this.#start().finally(() => {
			this.#starting = undefined;
		});
		return this.#starting;
	}

	async #start(): Promise<Running | { readonly why: string }> {
		const ended = Promise.withResolvers<{ readonly why: string }>();
		let failure: string | undefined;
		const child = new Child(this.#command, this.#options.maxMessageBytes, {
			onLine: (line) => this.#onLine(line, child),
			onTooLong: () => this.#onTooLong(),
			onErrorLine: this.#options.onLine,
			onFlood: this.#options.onNote,
			onEnd: (why) => {
				ended.resolve({ why });
				this.#onEnd(failure ?? why);
			},
		});
		this.#child = child;
		const end = await Promise.race([ended.promise, this.#initialize(child)]);
		if (!('why' in end)) {
			this.#running = end;
			this.#options.onUp();
			for (const message of this.#wishes.all) void this.call({ ...QUIET, upstream: this.#options.name, message });
			this.#options.onStale();
			return end;
		}
		failure = end.why;
		this.#options.onDown(end.why);
		void child.close();
		return end;
	}

	async #initialize(child: Child): Promise<Running | { readonly why: string }> {
		const capabilities = allowedCapabilities(EVERYTHING, this.#options.serverRequests);
		const clientInfo = { name: 'toolgate', version: this.#options.version };
		const message = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: REVISIONS[0], capabilities, clientInfo } };
		const answer = await this.#send(
			child,
			{ ...QUIET, upstream: this.#options.name, message, timeoutMs: START_TIMEOUT_MS },
			new Deadline(START_TIMEOUT_MS),
		);
		if (answer.kind !== 'answered') return { why: `it did not answer initialize: ${answer.why}` };
		const { result, error } = answer.message;
		if (!isObject(result)) return { why: `it refused initialize: ${String(isObject(error) ? error['message'] : '').slice(0, 200)}` };
		const revision = result['protocolVersion'];
		if (!REVISIONS.some((known) => known === revision))
			return { why: `it speaks MCP ${String(revision).slice(0, 40)}, which the gateway does not` };
		child.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
		return { child, introduction: result, sinceMs: performance.now() };
	}

	#onEnd(why: string): void {
		const wasSteady = this.#running !== undefined && performance.now() - this.#running.sinceMs >= STEADY_MS;
		this.#running = undefined;
		for (const { settle } of this.#waiting.values()) settle({ kind: 'broken', why });
		if (this.#isClosed) return;
		this.#why = why;
		this.#options.onDown(why);
		if (wasSteady) this.#pauseMs = FIRST_PAUSE_MS;
		this.#restart = setTimeout(() => {
			this.#restart = undefined;
			void this.#ready();
		}, this.#pauseMs);
		this.#restart.unref();
		this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
	}

	#onLine(line: Buffer, child: Child): void {
		if (line.length === 0) return;
		const incoming = readMessage(line);
		if (incoming.kind !== 'response' && this.#gate.isFlooded(line.length) && child.pause(FLOOD_PAUSE_MS))
			this.#options.onNote('it floods its standard output with messages that answer nothing');
		switch (incoming.kind) {
			case 'response':
				// What answers nothing that was asked is passed over: the wait of a call ends by itself.
				this.#answered(incoming, line.length);
				return;
			case 'request':
			case 'notification':
				this.#onMessage(incoming, line.length, child);
				return;
			case 'error':
			case 'unreadable':
				this.#onUnreadable(line, incoming.kind === 'error' ? 'it answered with an error that names no request' : incoming.why);
		}
	}

	#answered({ id, message }: Extract<Incoming, { kind: 'response' }>, bytes: number): void {
		const waiting = this.#waiting.get(id as number);
		if (waiting === undefined) return;
		const { maxResultBytes } = waiting;
		waiting.settle(bytes > maxResultBytes ? tooLarge(maxResultBytes) : { kind: 'answered', message: stripOurMeta(message), bytes });
	}

	#onMessage(incoming: Extract<Incoming, { kind: 'request' | 'notification' }>, bytes: number, child: Child): void {
		const isOfNoCall = incoming.kind === 'notification' && /\/(list_changed|updated)$/.test(incoming.method);
		const call = isOfNoCall ? undefined : callOf(incoming, this.#underWay);
		if (call !== undefined) call.take(incoming, bytes);
		else if (incoming.kind === 'request') child.send({ jsonrpc: '2.0', id: incoming.id, ...outsideOfCalls(incoming.method) });
		else if (isOfNoCall) this.#onNotification(stripOurMeta(incoming.message));
	}

	#onNotification(message: JsonObject): void {
		const { onNotification } = this.#options;
		if (message['method'] !== 'notifications/resources/updated') return onNotification(undefined, message);
		const uri = isObject(message['params']) ? message['params']['uri'] : undefined;
		for (const agentSessionId of this.#wishes.subscribersOf(String(uri))) onNotification(agentSessionId, message);
	}

	/** Many servers greet on standard output; a line that begins as a message does, and can't be read, was an answer. */
	#onUnreadable(line: Buffer, why: string): void {
		const [only] = this.#waiting.values();
		if (line[0] === 0x7b && only !== undefined && this.#waiting.size === 1) only.settle({ kind: 'broken', why });
		else this.#options.onLine(`(not MCP, on standard output) ${line.toString('utf8', 0, 200).replaceAll(/[\0-\x1f\x7f-\x9f]/g, ' ')}`);
	}

	/** Whose answer it was is known only where one is waited for; else that call's time ends. */
	#onTooLong(): void {
		const [only] = this.#waiting.values();
		if (only !== undefined && this.#waiting.size === 1) only.settle(tooLarge(Math.min(only.maxResultBytes, this.#options.maxMessageBytes)));
		else this.#options.onNote(`it wrote a line of more than ${this.#options.maxMessageBytes} bytes, which was passed over`);
	}
}

const tooLarge = (bytes: number): UpstreamAnswer => ({ kind: 'too_large', why: `more than ${bytes} bytes` });
