import type { Caller, JsonObject, Tool } from './domain.ts';
import { ToolGateError } from './errors.ts';
import type { Judge } from './policy/judge.ts';

/** What the cache of capabilities knows at this moment. */
export interface KnownTools {
	/** In the order of the upstreams and of their own lists. */
	readonly tools: readonly Tool[];
	/** Upstreams that are down: their tools are the last good list. */
	readonly staleUpstreams: readonly string[];
}

export interface ListToolsDeps {
	/** @throws {ToolGateError} UPSTREAM_UNAVAILABLE: down, and nothing is cached. */
	readonly capabilities: { list(upstream: string | undefined): KnownTools };
	/** @throws {PolicyError} there is no valid bundle. */
	readonly policy: { judge(): Judge };
	readonly input: { list(caller: Caller, tool: Tool): JsonObject };
}

/** Most lists fit one page: few clients ask for the next one. */
const PAGE_SIZE = 1_000;

/**
 * The result of `tools/list` for one caller: what a call would reach, by the same `list` decision, and nothing else. Definitions are the
 * upstream's own, renamed where names are prefixed.
 * @throws {PolicyError}; {ToolGateError} INVALID_PARAMS for a cursor that isn't ours, UPSTREAM_UNAVAILABLE
 */
export function listTools(caller: Caller, params: JsonObject, upstream: string | undefined, deps: ListToolsDeps): JsonObject {
	const { tools, staleUpstreams } = deps.capabilities.list(upstream);
	const judge = deps.policy.judge();
	const page: JsonObject[] = [];
	let nextCursor: string | undefined;
	let last: Tool | undefined;
	for (let at = startOf(params['cursor'], tools); at < tools.length; at++) {
		const tool = tools[at] as Tool;
		if (tool.quarantine !== undefined || !judge.list(deps.input.list(caller, tool))) continue;
		if (page.length === PAGE_SIZE) {
			nextCursor = cursorAfter(last as Tool);
			break;
		}
		page.push(tool.listedName === tool.name ? tool.definition : { ...tool.definition, name: tool.listedName });
		last = tool;
	}
	return {
		tools: page,
		...(nextCursor === undefined ? {} : { nextCursor }),
		...(staleUpstreams.length === 0 ? {} : { _meta: { 'dev.toolgate/cached': { upstreams: [...staleUpstreams] } } }),
	};
}

/** A cursor names the last tool of its page, so that it needs no memory and never repeats one. */
const cursorAfter = (tool: Tool): string => Buffer.from(tool.listedName).toString('base64url');

function startOf(cursor: unknown, tools: readonly Tool[]): number {
	if (cursor === undefined) return 0;
	const name = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
	const index = tools.findIndex((tool) => tool.listedName === name);
	if (index === -1) throw new ToolGateError('INVALID_PARAMS', 'params.cursor is not a cursor of this list, or the list has changed: list again from the start');
	return index + 1;
}
