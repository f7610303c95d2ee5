import type { CallToolDeps } from './call-tool.ts';
import type { Capabilities } from './capabilities/capabilities.ts';
import type { JsonObject, Outcome, ToolCall } from './domain.ts';
import { ToolGateError } from './errors.ts';
import { callEnded, type CallEnded } from './http/metrics.ts';
import { type KnownTools, listTools } from './list-tools.ts';
import type { AgentSession, Gate } from './mcp/exchange.ts';
import type { Upstreams } from './upstreams/upstreams.ts';
import { version } from './version.ts';

export interface GateDeps extends CallToolDeps {
	readonly capabilities: Capabilities;
	readonly upstreams: Upstreams;
	/** The path of a call; `narrowed` sees the tools of one upstream only. */
	readonly callTool: (call: ToolCall, narrowed?: CallToolDeps) => Promise<Outcome>;
}

/** What the agents' side asks of the rest of the gateway. */
export function createGate(deps: GateDeps): Gate {
	const { capabilities, upstreams, policy, input } = deps;
	const names = new Set(upstreams.all.map(({ name }) => name));

	const known = (upstream: string | undefined): KnownTools => {
		const statuses = capabilities.status().filter(({ name }) => upstream === undefined || name === upstream);
		if (statuses.length > 0 && statuses.every(({ state }) => state === 'down')) {
			throw new ToolGateError('UPSTREAM_UNAVAILABLE', `${statuses.map(({ name, why }) => `${name} can't be reached (${why})`).join('; ')}, and nothing is cached`);
		}
		return {
			tools: upstream === undefined ? capabilities.tools() : capabilities.tools().filter((tool) => tool.upstream === upstream),
			staleUpstreams: statuses.filter(({ state }) => state === 'cached').map(({ name }) => name),
		};
	};

	return {
		hasUpstream: (name) => names.has(name),

		async initialize(session: AgentSession, params: JsonObject): Promise<JsonObject> {
			const opening = upstreams.openSession(session.id, params);
			const [only] = session.upstream !== undefined ? [session.upstream] : names.size === 1 ? names : [];
			if (only === undefined) return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'toolgate', version } };
			const cached = capabilities.initializeResult(only);
			if (cached !== undefined) return cached;
			await opening;
			await capabilities.refresh(only);
			const fresh = capabilities.initializeResult(only);
			if (fresh === undefined) throw new ToolGateError('UPSTREAM_UNAVAILABLE', `the server ${only} can't be reached, and nothing is known of it yet; try again in a moment`);
			return fresh;
		},

		listTools: (caller, params, upstream) => listTools(caller, params, upstream, { capabilities: { list: known }, policy, input }),

		async callTool(call, upstream) {
			const began = performance.now();
			const narrowed: CallToolDeps | undefined =
				upstream === undefined
					? undefined
					: { ...deps, capabilities: { find: (name) => { const tool = capabilities.find(name); return tool?.upstream === upstream ? tool : undefined; } } };
			const outcome = await deps.callTool(call, narrowed);
			if (callEnded.hasSubscribers) {
				callEnded.publish({ word: outcome.word, server: capabilities.find(call.name)?.upstream, durationMs: performance.now() - began } satisfies CallEnded);
			}
			return outcome;
		},

		sessionEnded: ({ id }) => void upstreams.closeSession(id),
	};
}
