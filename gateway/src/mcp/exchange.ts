import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Agent, Caller, JsonObject, Outcome, Principal, ToolCall } from '../domain.ts';

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
}

/** An answer that is whole at once. */
export interface HttpAnswer {
	readonly status: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: JsonObject;
}

/** `streamed`: the response belongs to a stream of events. */
export type PostAnswer = HttpAnswer | 'streamed';

export interface AgentSession {
	readonly id: string;
	readonly principalId: string;
	readonly upstream: string | undefined;
}

/** What the agents' side asks of the rest of the gateway; `upstream` narrows everything to that one. */
export interface Gate {
	hasUpstream(name: string): boolean;
	/**
	 * Opens what belongs to a new agent session and returns the upstream's `initialize` result, cached when it is down.
	 * @throws {ToolGateError} UPSTREAM_UNAVAILABLE: down, and nothing is cached.
	 */
	initialize(session: AgentSession, params: JsonObject): Promise<JsonObject>;
	/** The result of `tools/list`. @throws {ToolGateError} UPSTREAM_UNAVAILABLE, INVALID_PARAMS; {PolicyError} */
	listTools(caller: Caller, params: JsonObject, upstream: string | undefined): Promise<JsonObject> | JsonObject;
	/** Never throws: every end is an outcome, and recorded. */
	callTool(call: ToolCall, upstream: string | undefined): Promise<Outcome>;
	/** The session has ended, whoever ended it. Never throws. */
	sessionEnded(session: AgentSession): void;
}
