import type { ArgumentProblem, Caller, JsonObject } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isListMethod } from '../../list-offered.ts';
import { isRelayedMethod } from '../../relay-request.ts';
import type { CallCap } from '../call-cap.ts';
import { readRelayed, readToolCall, uriOf } from '../decided-request.ts';
import type { Gate } from '../exchange.ts';
import { LOG_LEVELS } from '../log-levels.ts';
import { type RpcRequest, rpcResult } from '../message.ts';
import { encodeCall, encodeRelayed } from '../outcome.ts';
import type { Reply } from './reply.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

export interface Asker {
	readonly caller: Caller;
	readonly session: Session;
	readonly reply: Reply;
	readonly unreadable: ArgumentProblem | undefined;
}

/** Answers the requests of a session, one method each. */
export class LegacyRequests {
	readonly #gate: Gate;
	readonly #calls: CallCap;
	readonly #sessions: Sessions;

	constructor(gate: Gate, calls: CallCap, sessions: Sessions) {
		this.#gate = gate;
		this.#calls = calls;
		this.#sessions = sessions;
	}

	/** The whole response. @throws {ToolGateError} what is answered with a JSON-RPC error; whatever the gate throws */
	async answer(request: RpcRequest, { caller, session, reply, unreadable }: Asker): Promise<JsonObject> {
		const { id, method, params } = request;
		const sender = { caller, downstream: reply };
		switch (method) {
			case 'ping':
				return rpcResult(id, {});
			case 'tools/call':
				return encodeCall(id, await this.#calls.decide(readToolCall(request, sender, unreadable), session.upstream));
			case 'logging/setLevel':
				await this.#setLogLevel(session, params);
				return rpcResult(id, {});
			case 'resources/unsubscribe':
				await this.#unsubscribe(session, params);
				return rpcResult(id, {});
		}
		if (isListMethod(method)) return rpcResult(id, await this.#gate.list(method, caller, params, session.upstream));
		if (!isRelayedMethod(method)) throw new ToolGateError('UNKNOWN_METHOD', `Method not found: ${method}`);
		const relayed = readRelayed(request, sender);
		const outcome = await this.#calls.decide(relayed, session.upstream);
		const isGranted = outcome.kind === 'answered' && 'result' in outcome.answer;
		if (method === 'resources/subscribe' && isGranted) await this.#sessions.subscribe(session, relayed.name);
		return encodeRelayed(id, outcome, relayed.name);
	}

	async #setLogLevel(session: Session, params: JsonObject): Promise<void> {
		const level = LOG_LEVELS.find((known) => known === params['level']);
		if (level === undefined) throw new ToolGateError('INVALID_PARAMS', `params.level is not one of ${LOG_LEVELS.join(', ')}`);
		await this.#sessions.setLogLevel(session, level);
		await this.#gate.setLogLevel(session, level);
	}

	/** Nobody decides it, so only what a decision has granted before is passed on. */
	async #unsubscribe(session: Session, params: JsonObject): Promise<void> {
		const uri = uriOf(params['uri'], 'params.uri');
		if (await this.#sessions.unsubscribe(session, uri)) await this.#gate.unsubscribe(session, uri);
	}
}
