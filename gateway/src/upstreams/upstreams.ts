import type { JsonObject } from '../domain.ts';
import type { UpstreamHealth } from './health.ts';
import type { ServerRequest } from './server-requests.ts';
import { SessionMemory } from './session-memory.ts';
import { Upstream, type UpstreamSettings } from './upstream.ts';
import type { UpstreamAnswer, UpstreamCall } from './upstream-call.ts';

export type { UpstreamHealth, UpstreamSettings };

export interface UpstreamsOptions {
	/** Of one answer, where the call doesn't say. */
	readonly maxResultBytes: number;
	/** ToolGate's own version, told to upstreams. */
	readonly version: string;
	/** What this upstream offers may have changed. Called often; the listener decides how often to look. */
	onStale(upstream: string): void;
	/** An upstream went up or down. */
	onHealth?(seen: UpstreamHealth): void;
	/** A line that an upstream's process wrote on its standard error, or something else that operators want to read about it. */
	onLine?(upstream: string, line: string): void;
}

const DRAIN_MS = 10_000;

/** What is known of an agent session. */
interface Agent {
	/** Of its `initialize`. */
	readonly params: JsonObject;
	/** What it has asked to be kept, by upstream. */
	readonly memories: Map<string, SessionMemory>;
}

/** Something that an agent session wants of an upstream, by a request of the upstream's own names. */
export interface Wish {
	readonly upstream: string;
	readonly message: JsonObject;
}

/**
 * Hears what an upstream says outside of calls, such as `notifications/resources/updated` with its own URI: in the session of one agent session,
 * or (undefined) where it is nobody's alone. Not `list_changed`: that agents are told by the capabilities, once the new list is served.
 */
export type NotificationListener = (upstream: string, agentSessionId: string | undefined, message: JsonObject) => void;

/** All upstreams. One that is slow or dead never delays another. */
export class Upstreams {
	readonly #options: UpstreamsOptions;
	#settings: Readonly<Record<string, UpstreamSettings>>;
	#byName: ReadonlyMap<string, Upstream>;
	/** By the agent's session. */
	readonly #agents = new Map<string, Agent>();
	readonly #listeners = new Set<NotificationListener>();
	/** Of upstreams that were removed or replaced. */
	readonly #draining = new Set<Promise<void>>();

	/** Connects to nothing yet. @throws {ToolGateError} CONFIG */
	constructor(settings: Readonly<Record<string, UpstreamSettings>>, options: UpstreamsOptions) {
		this.#options = options;
		this.#settings = settings;
		this.#byName = new Map(Object.entries(settings).map(([name, each]) => [name, this.#make(name, each)]));
	}

	/** In the order of the configuration. */
	get all(): readonly Upstream[] {
		return [...this.#byName.values()];
	}

	/**
	 * Puts others in place. What is configured as before stays as it is, with its sessions; what goes or changes lets its running calls end.
	 * Agent sessions reach the new ones with the next call. Returns the names of what is new or different.
	 * @throws {ToolGateError} CONFIG, and nothing has changed.
	 */
	configure(settings: Readonly<Record<string, UpstreamSettings>>): string[] {
		const isSame = (name: string) => JSON.stringify(settings[name]) === JSON.stringify(this.#settings[name]);
		const before = this.#byName;
		const after = new Map(
			Object.entries(settings).map(([name, each]) => [name, (isSame(name) ? before.get(name) : undefined) ?? this.#make(name, each)]),
		);
		this.#byName = after;
		this.#settings = settings;
		for (const [name, upstream] of before) {
			if (after.get(name) === upstream) continue;
			const drained: Promise<void> = upstream.close(DRAIN_MS).finally(() => this.#draining.delete(drained));
			this.#draining.add(drained);
		}
		const changed = [...after].filter(([name, upstream]) => before.get(name) !== upstream);
		// What agents wait for there comes without a call of theirs.
		for (const [name, upstream] of changed)
			for (const [agentSessionId, agent] of this.#agents) if (agent.memories.has(name)) void upstream.openSession(agentSessionId);
		return changed.map(([name]) => name);
	}

	has(name: string): boolean {
		return this.#byName.has(name);
	}

	/** What the upstream may ask of agents, as it is configured. */
	mayAsk(name: string): readonly ServerRequest[] {
		return this.#settings[name]?.serverRequests ?? [];
	}

	health(): UpstreamHealth[] {
		return this.all.map((upstream) => upstream.health);
	}

	/** Returns how to stop. */
	onNotification(listener: NotificationListener): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Sends one decided `tools/call` to one upstream, once. Never rejects. */
	async call(call: UpstreamCall): Promise<UpstreamAnswer> {
		const upstream = this.#byName.get(call.upstream);
		return upstream === undefined ? { kind: 'not_sent', why: `there is no upstream ${call.upstream}` } : upstream.call(call);
	}

	/** Sends any other request of an agent, once: reads, prompts, completion, subscriptions, log levels. Never rejects. */
	async request(request: UpstreamCall): Promise<UpstreamAnswer> {
		return this.call(request);
	}

	/** A notification of an agent (`notifications/roots/list_changed`), to every upstream whose session can hear it. */
	notify(agentSessionId: string, message: JsonObject): void {
		for (const upstream of this.#byName.values()) upstream.notify(agentSessionId, message);
	}

	/**
	 * Opens the sessions behind an agent's session. Need not be awaited: what is not open at the first call is opened by it. Never rejects.
	 * @param wishes what was granted to the agent session before, by another process
	 */
	async openSession(agentSessionId: string, params: JsonObject, wishes: readonly Wish[] = []): Promise<void> {
		if (this.#agents.has(agentSessionId)) await this.closeSession(agentSessionId);
		const agent: Agent = { params, memories: new Map() };
		this.#agents.set(agentSessionId, agent);
		for (const { upstream, message } of wishes) memoryFor(upstream, agent).granted(message);
		await Promise.all(this.all.map((upstream) => upstream.openSession(agentSessionId)));
	}

	/** Ends them. Never rejects. */
	async closeSession(agentSessionId: string): Promise<void> {
		this.#agents.delete(agentSessionId);
		await Promise.all(this.all.map((upstream) => upstream.closeSession(agentSessionId)));
	}

	/** Lets running calls end for at most `drainMs`, then ends everything. Never rejects. */
	async close(drainMs = DRAIN_MS): Promise<void> {
		await Promise.all([...this.all.map((upstream) => upstream.close(drainMs)), ...this.#draining]);
	}

	#make(name: string, settings: UpstreamSettings): Upstream {
		const { maxResultBytes, version, onStale, onHealth, onLine } = this.#options;
		return new Upstream(name, settings, {
			maxResultBytes,
			version,
			onStale: () => onStale(name),
			onHealth: (seen) => onHealth?.(seen),
			onLine: (line) => onLine?.(name, line),
			agentParams: (agentSessionId) => this.#agents.get(agentSessionId)?.params,
			memoryOf: (agentSessionId) => memoryFor(name, this.#agents.get(agentSessionId)),
			onNotification: (agentSessionId, message) => {
				for (const listener of this.#listeners) listener(name, agentSessionId, message);
			},
		});
	}
}

/** Of a session that is not known nobody asks again. */
function memoryFor(upstream: string, agent: Agent | undefined): SessionMemory {
	const memory = agent?.memories.get(upstream) ?? new SessionMemory();
	agent?.memories.set(upstream, memory);
	return memory;
}
