import type { IncomingHttpHeaders } from 'node:http';
import type { ArgumentProblem, Caller, DecidedRequest, JsonObject, Refusal } from '../../domain.ts';
import { ToolGateError } from '../../errors.ts';
import { isObject } from '../../json-object.ts';
import { isListMethod } from '../../list-offered.ts';
import { isRelayedMethod } from '../../relay-request.ts';
import type { CallCap } from '../call-cap.ts';
import { readRelayed, readToolCall } from '../decided-request.ts';
import type { Gate } from '../exchange.ts';
import { type RpcRequest, rpcResult, withoutOwnMeta } from '../message.ts';
import { encodeCall, encodeRelayed } from '../outcome.ts';
import { relayedCapabilities } from '../relayed-capabilities.ts';
import { demandParameterHeaders } from './envelope.ts';
import type { ModernReply } from './reply.ts';
import { toModern } from './results.ts';
import { META, REVISION } from './revision.ts';
import type { Rounds } from './rounds.ts';

export interface Asker {
	readonly caller: Caller;
	readonly upstream: string | undefined;
	readonly reply: ModernReply;
	readonly headers: IncomingHttpHeaders;
	readonly unreadable: ArgumentProblem | undefined;
}

/** Decided like a tool call. Subscriptions are asked for in another way here (`subscriptions/listen`). */
const DECIDED: ReadonlySet<string> = new Set(['resources/read', 'prompts/get', 'completion/complete']);

/** Answers the requests of agents without sessions, one method each. */
export class ModernRequests {
	readonly #gate: Gate;
	readonly #calls: CallCap;
	readonly #rounds: Rounds;

	constructor(gate: Gate, calls: CallCap, rounds: Rounds) {
		this.#gate = gate;
		this.#calls = calls;
		this.#rounds = rounds;
	}

	/** The whole response. @throws {ToolGateError} what is answered with an error; whatever the gate throws */
	async answer(request: RpcRequest, asker: Asker): Promise<JsonObject> {
		const { id, method, params } = request;
		const { caller, upstream, reply, unreadable } = asker;
		const sender = { caller, downstream: reply };
		if (method === 'server/discover') return toModern(id, method, rpcResult(id, await this.#discover(upstream)));
		if (method === 'tools/call') {
			const call = readToolCall(request, sender, unreadable);
			if (unreadable === undefined) demandParameterHeaders(this.#gate.parameterHeaders(call, upstream), asker.headers);
			return this.#decide(request, call, upstream);
		}
		if (isListMethod(method)) return toModern(id, method, rpcResult(id, await this.#gate.list(method, caller, params, upstream)));
		if (isRelayedMethod(method) && DECIDED.has(method)) return this.#decide(request, readRelayed(request, sender), upstream);
		throw new ToolGateError('UNKNOWN_METHOD', `Method not found: ${method}`);
	}

	async #decide({ id, method }: RpcRequest, sent: DecidedRequest, upstream: string | undefined): Promise<JsonObject> {
		const request = this.#rounds.resume(sent);
		const outcome = await this.#calls.decide(request, upstream);
		if (outcome.kind === 'refused') demandCapabilities(outcome, request.downstream.clientCapabilities ?? {});
		const asking = this.#rounds.ask(request, outcome);
		if (asking !== undefined) return toModern(id, method, rpcResult(id, asking));
		return toModern(id, method, method === 'tools/call' ? encodeCall(id, outcome) : encodeRelayed(id, outcome, request.name));
	}

	async #discover(upstream: string | undefined): Promise<JsonObject> {
		const described = withoutOwnMeta(await this.#gate.describe(upstream));
		const { protocolVersion: _, capabilities: __, serverInfo, _meta, ...rest } = described;
		return {
			...rest,
			supportedVersions: [REVISION],
			capabilities: relayedCapabilities(described),
			_meta: { ...(isObject(_meta) ? _meta : {}), ...(serverInfo === undefined ? {} : { [META.serverInfo]: serverInfo }) },
		};
	}
}

/** An upstream that needs more of the agent than the agent declared says so, as itself. @throws {ToolGateError} CLIENT_CAPABILITY */
function demandCapabilities({ text, requiredCapabilities = {} }: Refusal, declared: JsonObject): void {
	const missing = Object.entries(requiredCapabilities).filter(([kind]) => !Object.hasOwn(declared, kind));
	if (missing.length > 0)
		throw new ToolGateError('CLIENT_CAPABILITY', text, { data: { requiredCapabilities: Object.fromEntries(missing) } });
}
