import type { ArgumentProblem, Caller, JsonObject } from '../../domain.ts';
import { PolicyError, ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import { readAccept } from '../accept.ts';
import type { CallCap } from '../call-cap.ts';
import type { Exchange, Gate, HttpAnswer, ListKind, PostAnswer } from '../exchange.ts';
import { type RpcMessage, type RpcNotification, type RpcRequest, rpcError, rpcResult } from '../message.ts';
import { readTurn } from '../turn.ts';
import { initializeResult, readIntroduction } from './initialize.ts';
import { News } from './news.ts';
import { Reply } from './reply.ts';
import { LegacyRequests } from './requests.ts';
import type { Session } from './session.ts';
import type { SessionStore } from './session-store.ts';
import { type SessionLimits, Sessions } from './sessions.ts';
import { Streams } from './streams.ts';
import { isLegacyVersion, LEGACY_VERSIONS } from './versions.ts';

export interface LegacyOptions {
	readonly gate: Gate;
	readonly sessions: SessionLimits;
	readonly sessionStore: SessionStore;
	/** How long an answer may take before it becomes a stream, and the distance of keep-alive comments. */
	readonly keepAliveMs: number;
	/** A message was dropped: one that no one here is to hear. */
	readonly onDropped: (method: string) => void;
	/** Where an unexpected throw is told. */
	readonly onFault: (error: unknown) => void;
	readonly nowMs: () => number;
}

const SWEEP_MS = 60_000;

/** The legacy era: revisions 2024-11-05 to 2025-11-25, with sessions. */
export class LegacyEndpoint {
	readonly #options: LegacyOptions;
	readonly #streams: Streams;
	readonly #sessions: Sessions;
	readonly #requests: LegacyRequests;
	readonly #news: News;
	readonly #sweeper: NodeJS.Timeout;

	constructor(options: LegacyOptions, calls: CallCap) {
		this.#options = options;
		const { nowMs, keepAliveMs } = options;
		this.#streams = new Streams({ nowMs, keepAliveMs });
		this.#sessions = new Sessions({
			limits: options.sessions,
			streams: this.#streams,
			store: options.sessionStore,
			onRestored: (session, params, wishes) => void options.gate.openSession(session, params, wishes),
			onEnd: (session) => options.gate.sessionEnded(session),
			onFault: options.onFault,
			nowMs,
		});
		this.#requests = new LegacyRequests(options.gate, calls, this.#sessions);
		this.#news = new News(this.#sessions, options.gate);
		this.#sweeper = setInterval(() => void this.#sessions.sweep().catch(options.onFault), SWEEP_MS);
		this.#sweeper.unref();
	}

	/** Open sessions. */
	get sessionCount(): number {
		return this.#sessions.size;
	}

	/** Answers one message. @throws {ToolGateError} what is answered with a status of its own. */
	async post(message: RpcMessage, exchange: Exchange, unreadable?: ArgumentProblem): Promise<PostAnswer> {
		if (message.kind === 'request' && message.method === 'initialize') return this.#initialize(message, exchange);
		const session = await this.#sessionOf(exchange);
		if (message.kind === 'request') return this.#request(message, session, exchange, unreadable);
		if (message.kind === 'notification') this.#notification(message, session);
		else if (!session.questions.answer(message)) this.#options.onDropped('response');
		return { status: 202 };
	}

	/** The session's standing stream, or with `Last-Event-ID` the one that broke off. */
	async get(exchange: Exchange): Promise<'streamed'> {
		const session = await this.#sessionOf(exchange);
		session.caller = callerOf(session, exchange);
		const lastEventId = exchange.headers['last-event-id'];
		const [, number, sequence] = typeof lastEventId === 'string' ? (/^(\d{1,10})-(\d{1,10})$/.exec(lastEventId) ?? []) : [];
		// An id of another session, or of a stream long gone, finds nothing: the agent gets a new stream.
		const broken = number === undefined ? undefined : session.streamNumbered(Number(number));
		if (broken === undefined) session.stand().connect(exchange.openStream());
		else broken.connect(exchange.openStream(), Number(sequence));
		return 'streamed';
	}

	async delete(exchange: Exchange): Promise<HttpAnswer> {
		this.#sessions.end(await this.#sessionOf(exchange));
		return { status: 204 };
	}

	/** What some agent may ask for has changed: in an upstream, a pin, or the policy. */
	listsChanged(changed: ReadonlySet<ListKind>): void {
		this.#news.listsChanged(changed);
	}

	/** A notification that an upstream sent outside of calls. False when nobody here is to hear it. */
	relay(agentSessionId: string, upstream: string, message: JsonObject): boolean {
		return this.#news.relay(agentSessionId, upstream, message);
	}

	/** Ends the standing streams and what agents were asked, which nothing else would end; streams of calls under way end with their answers. */
	async close(): Promise<void> {
		clearInterval(this.#sweeper);
		for (const session of this.#sessions) {
			session.standing?.end();
			session.questions.close();
		}
		await this.#sessions.close().catch(this.#options.onFault);
	}

	async #initialize(request: RpcRequest, { identity, upstream }: Exchange): Promise<HttpAnswer> {
		let session: Session | undefined;
		try {
			const introduction = readIntroduction(request.params);
			session = this.#sessions.begin(identity.principal.id, upstream, introduction);
			void this.#options.gate.openSession(session, request.params);
			const result = initializeResult(introduction.version, await this.#options.gate.describe(upstream));
			session.offers = isObject(result['capabilities']) ? result['capabilities'] : {};
			await this.#sessions.keep(session, request.params);
			return { status: 200, headers: { 'mcp-session-id': session.id }, body: rpcResult(request.id, result) };
		} catch (error) {
			if (session !== undefined) this.#sessions.end(session);
			return { status: 200, body: this.#errorOf(request, error) };
		}
	}

	async #sessionOf({ headers, identity, upstream }: Exchange): Promise<Session> {
		const version = headers['mcp-protocol-version'];
		if (version !== undefined && !isLegacyVersion(String(version))) {
			throw new ToolGateError('PROTOCOL_VERSION', `MCP-Protocol-Version is not one of ${LEGACY_VERSIONS.join(', ')}`);
		}
		const id = headers['mcp-session-id'];
		if (typeof id !== 'string' || id === '')
			throw new ToolGateError('SESSION_REQUIRED', 'Mcp-Session-Id is missing: send initialize first, then the id from its answer');
		const session = await this.#sessions.find(id, identity.principal.id, upstream);
		if (session === undefined) throw new ToolGateError('SESSION_UNKNOWN', 'the session is unknown or has ended: send initialize again');
		return session;
	}

	#notification({ method, params }: RpcNotification, session: Session): void {
		switch (method) {
			case 'notifications/cancelled': {
				const { requestId, reason } = params;
				if (typeof requestId === 'string' || typeof requestId === 'number')
					session.underWay.get(requestId)?.cancel(typeof reason === 'string' ? reason : undefined);
				return;
			}
			case 'notifications/initialized':
				return;
			case 'notifications/roots/list_changed':
				this.#options.gate.notify(session, { jsonrpc: '2.0', method });
				return;
			default:
				this.#options.onDropped(method);
		}
	}

	async #request(request: RpcRequest, session: Session, exchange: Exchange, unreadable: ArgumentProblem | undefined): Promise<PostAnswer> {
		if (session.underWay.has(request.id))
			throw new ToolGateError('INVALID_REQUEST', `a request with the id ${JSON.stringify(request.id)} is still under way`);
		const caller = (session.caller = callerOf(session, exchange));
		const reply = new Reply(session, {
			accepts: readAccept(exchange.headers.accept),
			streamAfterMs: this.#options.keepAliveMs,
			openStream: exchange.openStream,
		});
		session.underWay.set(request.id, reply);
		const answered = this.#requests
			.answer(request, { caller, session, reply, unreadable })
			.catch((error: unknown) => this.#errorOf(request, error))
			.finally(() => {
				session.underWay.delete(request.id);
				this.#sessions.touch(session);
			});
		return reply.finish(await orCancelled(answered, reply));
	}

	/** Once the message and the session are good, errors are JSON-RPC errors with HTTP 200: clients take anything else for a dead connection. */
	#errorOf(request: RpcRequest, error: unknown): JsonObject {
		if (error instanceof ToolGateError) return rpcError(request.id, error.entry.rpcCode ?? INTERNAL_ERROR, error.message);
		this.#options.onFault(error);
		if (error instanceof PolicyError) return rpcError(request.id, INTERNAL_ERROR, `The policy could not decide: ${error.message}`);
		return rpcError(request.id, INTERNAL_ERROR, 'ToolGate failed; its log has the cause');
	}
}

const INTERNAL_ERROR = -32603;

function callerOf(session: Session, { identity: { principal, agent }, headers }: Exchange): Caller {
	const { name, clientVersion } = session.introduction;
	const version = agent.version ?? clientVersion;
	const turn = readTurn(headers);
	return {
		principal,
		agent: { id: agent.id, ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) },
		session: { id: session.id, era: 'legacy', ...(turn === undefined ? {} : { turn }) },
	};
}

/** The answer, or undefined as soon as the agent cancels; the work itself goes on to its recorded end. */
async function orCancelled(answered: Promise<JsonObject>, reply: Reply): Promise<JsonObject | undefined> {
	return new Promise((resolve) => {
		reply.onCancel = () => resolve(undefined);
		void answered.then(resolve);
	});
}
