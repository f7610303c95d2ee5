import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Agent, Caller, DecidedRequest, JsonObject, Outcome, Principal } from '../domain.ts';
import type { ListMethod } from '../list-offered.ts';

/** What stands between HTTP and MCP, for both eras. */

/** Who sent a request, before any session is looked at. */
export interface Identity {
	readonly principal: Principal;
	readonly agent: Agent;
}

/** One HTTP request to `/mcp` or `/mcp/<upstream>`, authenticated. */
export interface Exchange {
	readonly headers: IncomingHttpHeaders;
	readonly identity: Identity;
	/** The upstream named in the path; undefined for all of them. */
	readonly upstream: string | undefined;
	/** Takes the response away from the HTTP framework; from then on events are written to it. At most once. */
	openStream(): ServerResponse;
	/** Calls once, when the connection is gone before the response has ended. */
	onDisconnect(listener: () => void): void;
}

/** An answer that is whole at once. */
export interface HttpAnswer {
	readonly status: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: JsonObject;
}

/** `streamed`: the response belongs to a stream of events. */
export type PostAnswer = HttpAnswer | 'streamed';

/** What agents ask for as one list, and are told of as one. */
export type ListKind = 'tools' | 'resources' | 'prompts';

export interface AgentSession {
	readonly id: string;
	readonly principalId: string;
	readonly upstream: string | undefined;
}

/** What an agent session was granted and goes on for as long as it lives. */
export interface KeptWishes {
	/** The least level of log messages; absent: it never said. */
	readonly logLevel?: string;
	/** Resources whose changes it wants to hear of, by the URIs that it uses. */
	readonly subscriptions: readonly string[];
}

/** What the agents' side asks of the rest of the gateway; `upstream` narrows everything to that one. */
export interface Gate {
	hasUpstream(name: string): boolean;
	/** Opens what belongs to an agent session, with what its agent said in `initialize`; `kept` for one that another process knew. Need not be awaited. Never throws. */
	openSession(session: AgentSession, params: JsonObject, kept?: KeptWishes): Promise<void>;
	/**
	 * What the upstream says of itself, in the form of an `initialize` result, cached when it is down; of several what they have together.
	 * @throws {ToolGateError} UPSTREAM_UNAVAILABLE: down, and nothing is cached.
	 */
	describe(upstream: string | undefined): Promise<JsonObject>;
	/** The result of a list. @throws {ToolGateError} UPSTREAM_UNAVAILABLE, INVALID_PARAMS; {PolicyError} */
	list(method: ListMethod, caller: Caller, params: JsonObject, upstream: string | undefined): Promise<JsonObject> | JsonObject;
	/** Never throws: every end is an outcome, and recorded. */
	decide(request: DecidedRequest, upstream: string | undefined): Promise<Outcome>;
	/** Headers that repeat arguments of a tool that the caller may call (`Mcp-Param-*`), names and encoded values in turn. @throws {PolicyError} */
	parameterHeaders(call: DecidedRequest, upstream: string | undefined): readonly string[];
	/** Whether the caller may see the resource with this URI now. Never throws: where the policy can't decide, it may not. */
	isVisible(caller: Caller, listedUri: string): boolean;
	/** Whether the session may hear what an upstream says outside of calls: it may be about one whose result is judged. Never throws. */
	mayHearTexts(session: AgentSession): boolean;
	/** Tells the upstreams of a session which log messages it wants (`logging/setLevel`). Never throws. */
	setLogLevel(session: AgentSession, level: string): Promise<void>;
	/** Ends a subscription that was granted, by the URI that agents use. Never throws. */
	unsubscribe(session: AgentSession, listedUri: string): Promise<void>;
	/** Passes on a notification of the agent. Never throws. */
	notify(session: AgentSession, message: JsonObject): void;
	/** The session has ended, whoever ended it. Never throws. */
	sessionEnded(session: AgentSession): void;
}
