import { setImmediate as breathe } from 'node:timers/promises';
import type { Capabilities } from './capabilities/capabilities.ts';
import type { OfferedTool } from './capabilities/offered-tool.ts';
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

export interface ToolsViewDeps extends VisibilityDeps {
	readonly capabilities: Pick<Capabilities, 'tools' | 'lastChanges'>;
	/** Principals that are known by name or, with one *, by pattern. */
	readonly principals: () => Promise<readonly string[]>;
}

/** One tool as operators see it. */
export interface ToolView extends Pick<OfferedTool, 'upstream' | 'name' | 'listedName' | 'digest' | 'isAcceptable' | 'changes'> {
	readonly isPinned: boolean;
	readonly quarantine?: string;
	/** Why it is held, in more words, which may quote the upstream. */
	readonly detail?: string;
	/** When this definition was first seen, on the database's clock. */
	readonly changedAtMs?: number;
	/** Where the view is a principal's: whether that one sees it now. */
	readonly isVisible?: boolean;
	/** Where it is the operator's: who of the known principals has access, whether it is held or not. */
	readonly access?: readonly string[];
}

/** Beyond so many questions to the policy, who has access is not worked out. */
const MAX_QUESTIONS = 50_000;

/** Every tool as operators see it, and what to do where a principal sees nothing. @throws {StoreUnavailable} */
export async function toolsView(deps: ToolsViewDeps): Promise<{ tools: ToolView[]; hints: string[] }> {
	const { capabilities, principalId } = deps;
	const canSee = viewOf(deps);
	const offered = capabilities.tools();
	const [changes, access] = await Promise.all([
		capabilities.lastChanges(),
		principalId === undefined ? accessOf(deps, offered) : undefined,
	]);
	const tools = offered.map((tool): ToolView => {
		const { upstream, name, listedName, digest, pinned, isAcceptable, quarantine, detail } = tool;
		const changedAtMs = changes.get(digest);
		const granted = access?.get(tool);
		return {
			upstream,
			name,
			listedName,
			digest,
			isPinned: pinned,
			isAcceptable,
			changes: tool.changes,
			...(quarantine === undefined ? {} : { quarantine }),
			...(detail === undefined ? {} : { detail }),
			...(changedAtMs === undefined ? {} : { changedAtMs }),
			...(canSee === undefined ? {} : { isVisible: quarantine === undefined && canSee(tool) }),
			...(granted === undefined ? {} : { access: granted }),
		};
	});
	return { tools, hints: visibilityHints(deps) };
}

async function accessOf(deps: ToolsViewDeps, tools: readonly OfferedTool[]): Promise<ReadonlyMap<OfferedTool, string[]> | undefined> {
	const principals = await deps.principals();
	if (principals.length * tools.length > MAX_QUESTIONS) return undefined;
	const access = new Map<OfferedTool, string[]>(tools.map((tool) => [tool, []]));
	for (const name of principals) {
		// Somebody who fits the pattern stands for all who do.
		const canSee = viewOf({ ...deps, principalId: name.replace('*', 'x') })!;
		for (const tool of tools) if (canSee(tool)) access.get(tool)!.push(name);
		await breathe();
	}
	return access;
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
	const principal = { id: principalId, kind: 'user', groups: groupsOf(principalId), claims: {} } as const;
	const caller: Caller = { principal, agent: { id: 'toolgate' }, session: { era: 'legacy' } };
	return (tool) => {
		try {
			return policy.judge().list(input.list(caller, tool));
		} catch (error) {
			if (error instanceof PolicyError) return false;
			throw error;
		}
	};
}
