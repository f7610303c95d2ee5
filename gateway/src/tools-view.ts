import type { Capabilities } from './capabilities/capabilities.ts';
import type { Caller, JsonObject, Tool } from './domain.ts';
import { PolicyError } from './errors.ts';
import type { Judge } from './policy/judge.ts';

export interface VisibilityDeps {
	/** Whose view; undefined for the operator's, who sees everything. */
	readonly principalId: string | undefined;
	readonly groupsOf: (principalId: string) => readonly string[];
	readonly capabilities: Pick<Capabilities, 'tools'>;
	/** @throws {PolicyError} there is no valid bundle. */
	readonly policy: { judge(): Judge };
	readonly input: { list(caller: Caller, tool: Tool): JsonObject };
}

/** Every tool as operators see it, and what to do where a principal sees nothing. */
export function toolsView(deps: VisibilityDeps): { tools: object[]; hints: string[] } {
	const canSee = viewOf(deps);
	const tools = deps.capabilities.tools().map((tool) => ({
		upstream: tool.upstream,
		name: tool.name,
		listedName: tool.listedName,
		digest: tool.digest,
		isPinned: tool.pinned,
		...(tool.quarantine === undefined ? {} : { quarantine: tool.quarantine }),
		...(canSee === undefined ? {} : { isVisible: tool.quarantine === undefined && canSee(tool) }),
	}));
	return { tools, hints: visibilityHints(deps) };
}

/** "0 of 14 tools visible to P", with the lines of Rego that would grant one; per upstream that offers tools and shows none. */
export function visibilityHints(deps: VisibilityDeps): string[] {
	const canSee = viewOf(deps);
	if (canSee === undefined) return [];
	const byUpstream = Map.groupBy(deps.capabilities.tools(), ({ upstream }) => upstream);
	return [...byUpstream].flatMap(([upstream, tools]) => {
		if (tools.some((tool) => tool.quarantine === undefined && canSee(tool))) return [];
		const example = tools[0]!.name;
		return [
			`0 of ${tools.length} tools of ${upstream} visible to ${deps.principalId}: no access rule. One that grants a tool, in policy/rules/<team>/<team>.rego:\n` +
				`    access contains "why" if {\n        input.server.name == ${JSON.stringify(upstream)}\n        input.tool.name == ${JSON.stringify(example)}\n        input.principal.id == ${JSON.stringify(deps.principalId)}\n    }`,
		];
	});
}

/** What the principal sees; nothing while the policy can't decide. Undefined without a principal. */
function viewOf({ principalId, groupsOf, policy, input }: VisibilityDeps): ((tool: Tool) => boolean) | undefined {
	if (principalId === undefined) return undefined;
	const caller: Caller = { principal: { id: principalId, kind: 'user', groups: groupsOf(principalId), claims: {} }, agent: { id: 'toolgate' }, session: { era: 'legacy' } };
	return (tool) => {
		try {
			return policy.judge().list(input.list(caller, tool));
		} catch (error) {
			if (error instanceof PolicyError) return false;
			throw error;
		}
	};
}
