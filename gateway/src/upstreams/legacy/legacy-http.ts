import type { JsonObject } from '../../domain.ts';
import type { Endpoint } from '../http/endpoint.ts';
import type { Link, LinkOptions } from '../link.ts';
import { isObject, withoutEnvelope } from '../messages.ts';
import { allowedCapabilities, EVERYTHING } from '../server-requests.ts';
import type { BoundCall, UpstreamAnswer } from '../upstream-call.ts';
import { LegacySession } from './session.ts';

/** The legacy era over Streamable HTTP: a session per agent session, one per principal for calls of no session, and one of the gateway's own. */
export class LegacyHttp implements Link {
	readonly eras = ['legacy'] as const;
	readonly #endpoint: Endpoint;
	readonly #options: LinkOptions;
	readonly #own: LegacySession;
	readonly #ofAgents = new Map<string, LegacySession>();
	readonly #ofPrincipals: IdleSessions;

	constructor(endpoint: Endpoint, options: LinkOptions) {
		this.#endpoint = endpoint;
		this.#options = options;
		// Servers list some tools only to clients that can be asked: the list is read as the most capable agent would see it.
		this.#own = this.#session(this.#params(allowedCapabilities(EVERYTHING, options.serverRequests)), undefined, true);
		this.#ofPrincipals = new IdleSessions(() => this.#session(this.#params({}), undefined, false));
	}

	async introduction(): Promise<JsonObject> {
		const opened = await this.#own.open();
		if ('why' in opened) throw new Error(opened.why);
		return opened.result;
	}

	async openSession(agentSessionId: string): Promise<void> {
		await this.#ofAgent(agentSessionId)?.open();
	}

	async closeSession(agentSessionId: string): Promise<void> {
		const session = this.#ofAgents.get(agentSessionId);
		this.#ofAgents.delete(agentSessionId);
		await session?.close();
	}

	/** A call of no session and no principal is the gateway's own. */
	async call(sent: BoundCall): Promise<UpstreamAnswer> {
		const call = { ...sent, message: withoutEnvelope(sent.message) };
		const { sessionId, principalId } = call;
		if (sessionId !== undefined) {
			const known = this.#ofAgent(sessionId);
			if (known !== undefined) return known.call(call);
			// What a session that is not known here may know is nobody else's: its call gets a session that ends with it.
			const session = this.#session(this.#params({}), undefined, false);
			return session.call(call).finally(() => void session.close());
		}
		return (principalId === undefined ? this.#own : this.#ofPrincipals.of(principalId)).call(call);
	}

	notify(agentSessionId: string, message: JsonObject): void {
		this.#ofAgents.get(agentSessionId)?.notify(message);
	}

	async close(): Promise<void> {
		await Promise.all([this.#own, ...this.#ofAgents.values(), ...this.#ofPrincipals.drop()].map((session) => session.close()));
		this.#ofAgents.clear();
	}

	/** The session behind that agent session, made if need be. Undefined where the agent session is not known here. */
	#ofAgent(agentSessionId: string): LegacySession | undefined {
		const known = this.#ofAgents.get(agentSessionId);
		const agentParams = this.#options.agentParams(agentSessionId);
		if (known !== undefined || agentParams === undefined) return known;
		const declared = isObject(agentParams['capabilities']) ? agentParams['capabilities'] : {};
		const capabilities = allowedCapabilities(declared, this.#options.serverRequests);
		// Where it can ask, it may do so on the session's stream.
		const session = this.#session({ ...agentParams, capabilities }, agentSessionId, Object.keys(capabilities).length > 0);
		this.#ofAgents.set(agentSessionId, session);
		return session;
	}

	#params(capabilities: JsonObject): JsonObject {
		return { capabilities, clientInfo: { name: 'toolgate', version: this.#options.version } };
	}

	#session(params: JsonObject, agentSessionId: string | undefined, holdsStream: boolean): LegacySession {
		const { serverRequests, timeoutMs, onUp, onDown, onStale, onNotification, memoryOf } = this.#options;
		return new LegacySession(
			this.#endpoint,
			{ params, serverRequests, timeoutMs, holdsStream, ...(agentSessionId === undefined ? {} : { memory: memoryOf(agentSessionId) }) },
			{ onUp, onDown, onOpened: onStale, onGap: onStale, onNotification: (message) => onNotification(agentSessionId, message) },
		);
	}
}

const IDLE_MS = 300_000;
const MAX_SESSIONS = 1_000;

/** One session per principal, closed when it was idle for a while or when there are too many. */
class IdleSessions {
	readonly #make: () => LegacySession;
	/** The longest unused first. */
	readonly #all = new Map<string, { readonly session: LegacySession; usedMs: number }>();
	#sweeping: NodeJS.Timeout | undefined;

	constructor(make: () => LegacySession) {
		this.#make = make;
	}

	of(principalId: string): LegacySession {
		const session = this.#all.get(principalId)?.session ?? this.#make();
		this.#all.delete(principalId);
		this.#all.set(principalId, { session, usedMs: performance.now() });
		if (this.#all.size > MAX_SESSIONS) this.#sweep(0);
		this.#sweeping ??= setInterval(() => this.#sweep(IDLE_MS), IDLE_MS / 2).unref();
		return session;
	}

	/** Forgets all of them. */
	drop(): LegacySession[] {
		clearInterval(this.#sweeping);
		const sessions = [...this.#all.values()].map(({ session }) => session);
		this.#all.clear();
		return sessions;
	}

	/** Closes what was idle for so long; with 0, only as many as are too many. */
	#sweep(idleMs: number): void {
		const before = performance.now() - idleMs;
		for (const [principalId, { session, usedMs }] of this.#all) {
			if (usedMs > before || (idleMs === 0 && this.#all.size <= MAX_SESSIONS)) return;
			if (!session.isIdle) continue;
			this.#all.delete(principalId);
			void session.close();
		}
	}
}
