import type { ArgumentProblem, Caller, JsonObject } from '../../domain.ts';
import { PolicyError, ToolGateError } from '../../errors.ts';
import type { Keys } from '../../keys.ts';
import { readAccept } from '../accept.ts';
import type { CallCap } from '../call-cap.ts';
import type { Exchange, Gate, HttpAnswer, ListKind, PostAnswer } from '../exchange.ts';
import type { RpcNotification, RpcRequest } from '../message.ts';
import { readTurn } from '../turn.ts';
import { type Envelope, readEnvelope } from './envelope.ts';
import { ModernStreams } from './event-streams.ts';
import { Listening } from './listening.ts';
import { ModernReply } from './reply.ts';
import { RequestStates } from './request-state.ts';
import { ModernRequests } from './requests.ts';
import { Rounds } from './rounds.ts';

export interface ModernOptions {
	readonly gate: Gate;
	/** Streams that listen for changes, open at once. */
	readonly sessions: { readonly total: number; readonly perPrincipal: number };
	readonly keepAliveMs: number;
	readonly keys: Pick<Keys, 'seal' | 'open'>;
	readonly onDropped: (method: string) => void;
	readonly onFault: (error: unknown) => void;
	readonly nowMs: () => number;
}

const INTERNAL_ERROR = -32603;
const NOT_FOUND = 404;

/** The modern era, revision 2026-07-28: every request stands for itself. */
export class ModernEndpoint {
	readonly #options: ModernOptions;
	readonly #streams: ModernStreams;
	readonly #requests: ModernRequests;
	readonly #listening: Listening;

	constructor(options: ModernOptions, calls: CallCap) {
		const { gate, keys, nowMs, keepAliveMs, sessions } = options;
		this.#options = options;
		this.#streams = new ModernStreams(keepAliveMs);
		this.#requests = new ModernRequests(gate, calls, new Rounds(new RequestStates(keys, nowMs)));
		this.#listening = new Listening({ gate, calls, streams: this.#streams, limits: sessions });
	}

	/** Answers one message; never throws what the agent is to read. */
	async post(message: RpcRequest | RpcNotification, exchange: Exchange, unreadable?: ArgumentProblem): Promise<PostAnswer> {
		if (message.kind === 'notification') {
			// A call is cancelled by closing its response, and nothing else is told in this era.
			this.#options.onDropped(message.method);
			return { status: 202 };
		}
		let reply: ModernReply | undefined;
		try {
			const envelope = readEnvelope(message, exchange.headers);
			const caller = callerOf(envelope, exchange);
			const accepts = readAccept(exchange.headers.accept);
			if (message.method === 'subscriptions/listen') {
				if (!accepts.events)
					throw new ToolGateError('INVALID_REQUEST', 'subscriptions/listen answers with events: Accept has to list text/event-stream');
				await this.#listening.listen(message, caller, exchange);
				return 'streamed';
			}
			const own = (reply = new ModernReply({
				envelope,
				accepts,
				streams: this.#streams,
				streamAfterMs: this.#options.keepAliveMs,
				openStream: exchange.openStream,
			}));
			exchange.onDisconnect(() => own.cancel());
			const body = await this.#requests.answer(message, {
				caller,
				upstream: exchange.upstream,
				reply,
				headers: exchange.headers,
				unreadable,
			});
			return reply.finish({ status: 200, body });
		} catch (error) {
			const answer = this.#errorOf(message, error);
			return reply === undefined ? answer : reply.finish(answer);
		}
	}

	listsChanged(changed: ReadonlySet<ListKind>): void {
		this.#listening.listsChanged(changed);
	}

	/** A notification that an upstream sent outside of calls. False when nobody here is to hear it. */
	relay(sessionId: string, message: JsonObject): boolean {
		return this.#listening.relay(sessionId, message);
	}

	/** Ends what would never end by itself; answers under way still go out. */
	close(): void {
		this.#listening.close();
	}

	#errorOf({ id }: RpcRequest, error: unknown): HttpAnswer {
		const answer = (status: number, code: number, message: string, data?: JsonObject): HttpAnswer => ({
			status,
			body: { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } },
		});
		if (error instanceof ToolGateError) {
			const { httpStatus, rpcCode = INTERNAL_ERROR } = error.entry;
			return answer(error.code === 'UNKNOWN_METHOD' ? NOT_FOUND : httpStatus, rpcCode, error.message, error.data);
		}
		this.#options.onFault(error);
		if (error instanceof PolicyError) return answer(200, INTERNAL_ERROR, `The policy could not decide: ${error.message}`);
		return answer(200, INTERNAL_ERROR, 'ToolGate failed; its log has the cause');
	}
}

function callerOf({ name, version: said }: Envelope, { identity: { principal, agent }, headers }: Exchange): Caller {
	const version = agent.version ?? said;
	const turn = readTurn(headers);
	return {
		principal,
		agent: { id: agent.id, ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) },
		session: { era: 'modern', ...(turn === undefined ? {} : { turn }) },
	};
}
