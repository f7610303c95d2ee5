import type { Era, JsonObject } from '../domain.ts';
import type { ServerRequest } from './server-requests.ts';
import type { SessionMemory } from './session-memory.ts';
import type { BoundCall, UpstreamAnswer } from './upstream-call.ts';

/** One way of speaking to one upstream: an era over a transport. */
export interface Link {
	/** What the upstream speaks, the preferred one first; empty where that is not known yet. */
	readonly eras: readonly Era[];
	/**
	 * What the upstream says of itself, asked if it has not said so yet: its result of `initialize`, or what
	 * says the same in the modern era. @throws {Error} why there is none.
	 */
	introduction(): Promise<JsonObject>;
	/** Opens the session behind an agent's session, and asks it for what that wants to be kept. Resolves also when it can't be opened. */
	openSession(agentSessionId: string): Promise<void>;
	closeSession(agentSessionId: string): Promise<void>;
	/** Sends one request, once. Never rejects. */
	call(call: BoundCall): Promise<UpstreamAnswer>;
	/** Sends a notification of the agent, where its session can hear it. */
	notify(agentSessionId: string, message: JsonObject): void;
	/** Ends everything at once. Never rejects. */
	close(): Promise<void>;
}

/** What every link needs to know, and whom it tells. */
export interface LinkOptions {
	readonly name: string;
	/** How long opening may take at most. */
	readonly timeoutMs: number;
	/** Of what comes outside of calls. */
	readonly maxMessageBytes: number;
	/** What it may ask of agents. */
	readonly serverRequests: readonly ServerRequest[];
	/** What the agent of a session said in `initialize`; undefined for a session that is not known here. */
	agentParams(agentSessionId: string): JsonObject | undefined;
	/** What that session has asked to be kept, to be read and added to. */
	memoryOf(agentSessionId: string): SessionMemory;
	/** ToolGate's own, told to the upstream. */
	readonly version: string;
	onUp(): void;
	onDown(why: string): void;
	/** What the upstream offers may have changed: there is a new session, or its word on it may have been missed. */
	onStale(): void;
	/** A notification outside of calls, heard in the session of that agent session; undefined where it is nobody's alone. */
	onNotification(agentSessionId: string | undefined, message: JsonObject): void;
	/** What the upstream writes besides, one line; for the log. */
	onLine(line: string): void;
	/** Something about it that operators should see, though it works. */
	onNote(says: string): void;
}
