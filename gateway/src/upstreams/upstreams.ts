import type { UpstreamAnswer, UpstreamCall } from './upstream-call.ts';
import type { JsonObject } from '../domain.ts';
import type { UpstreamHealth } from './health.ts';
import { Upstream, type UpstreamSettings } from './upstream.ts';

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
}

/** All upstreams. One that is slow or dead never delays another. */
export class Upstreams {
	readonly #byName: ReadonlyMap<string, Upstream>;

	/** Connects to nothing yet. @throws {ToolGateError} CONFIG */
	constructor(settings: Readonly<Record<string, UpstreamSettings>>, options: UpstreamsOptions) {
		this.#byName = new Map(
			Object.entries(settings).map(([name, each]) => [
				name,
				new Upstream(name, each, {
					maxResultBytes: options.maxResultBytes,
					version: options.version,
					onStale: () => options.onStale(name),
					onHealth: (seen) => options.onHealth?.(seen),
				}),
			]),
		);
	}

	/** In the order of the configuration. */
	get all(): readonly Upstream[] {
		return [...this.#byName.values()];
	}

	health(): UpstreamHealth[] {
		return this.all.map((upstream) => upstream.health);
	}

	/** Sends one request to one upstream, once. Never rejects. */
	async call(call: UpstreamCall): Promise<UpstreamAnswer> {
		const upstream = this.#byName.get(call.upstream);
		return upstream === undefined ? { kind: 'not_sent', why: `there is no upstream ${call.upstream}` } : upstream.call(call);
	}

	/** Opens the sessions behind an agent's session. Need not be awaited: what is not open at the first call is opened by it. Never rejects. */
	async openSession(agentSessionId: string, agentInitializeParams: JsonObject): Promise<void> {
		await Promise.all(this.all.map((upstream) => upstream.openSession(agentSessionId, agentInitializeParams)));
	}

	/** Ends them. Never rejects. */
	async closeSession(agentSessionId: string): Promise<void> {
		await Promise.all(this.all.map((upstream) => upstream.closeSession(agentSessionId)));
	}

	/** Lets running calls end for at most `drainMs`, then ends everything. Never rejects. */
	async close(drainMs = 10_000): Promise<void> {
		await Promise.all(this.all.map((upstream) => upstream.close(drainMs)));
	}
}
