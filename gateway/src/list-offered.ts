import type { Caller, Item, JsonObject, Tool } from './domain.ts';
import { ToolGateError } from './errors.ts';
import type { Judge } from './policy/judge.ts';

/** Of each list: the member of the result that holds it, and the member of an item that names it. */
export const LISTS = {
	'tools/list': { member: 'tools', key: 'name' },
	'resources/list': { member: 'resources', key: 'uri' },
	'resources/templates/list': { member: 'resourceTemplates', key: 'uriTemplate' },
	'prompts/list': { member: 'prompts', key: 'name' },
} as const;
export type ListMethod = keyof typeof LISTS;

export const isListMethod = (method: string): method is ListMethod => Object.hasOwn(LISTS, method);

/** What the cache of capabilities knows at this moment. */
export interface Known {
	/** In the order of the upstreams and of their own lists. */
	readonly offered: readonly (Tool | Item)[];
	/** Upstreams that are down: what they offer is the last good list. */
	readonly staleUpstreams: readonly string[];
}

export interface ListOfferedDeps {
	/** @throws {ToolGateError} UPSTREAM_UNAVAILABLE: down, and nothing is cached. */
	readonly capabilities: { list(method: ListMethod, upstream: string | undefined): Known };
	/** @throws {PolicyError} there is no valid bundle. */
	readonly policy: { judge(): Judge };
	readonly input: { shared(caller: Caller): JsonObject; own(capability: Tool | Item): JsonObject };
}

/** Most lists fit one page: few clients ask for the next one. */
const PAGE_SIZE = 1_000;

/**
 * The result of a list for one caller: what a request would reach, by the same `list` decision, and nothing else. Definitions are the
 * upstream's own, renamed where names are told apart by upstream.
 * @throws {PolicyError}; {ToolGateError} INVALID_PARAMS for a cursor that isn't ours, UPSTREAM_UNAVAILABLE
 */
export function listOffered(
	method: ListMethod,
	caller: Caller,
	params: JsonObject,
	upstream: string | undefined,
	deps: ListOfferedDeps,
): JsonObject {
	const { member, key } = LISTS[method];
	const { offered, staleUpstreams } = deps.capabilities.list(method, upstream);
	const isGranted = deps.policy.judge().lister(deps.input.shared(caller));
	const page: JsonObject[] = [];
	let nextCursor: string | undefined;
	let last: Tool | Item | undefined;
	const isListed = (one: Tool | Item) => one.quarantine === undefined && isGranted(deps.input.own(one));
	for (let at = startOf(params['cursor'], offered, isListed); at < offered.length; at++) {
		const one = offered[at] as Tool | Item;
		if (!isListed(one)) continue;
		if (page.length === PAGE_SIZE) {
			nextCursor = cursorAfter(last as Tool | Item);
			break;
		}
		page.push(one.listedName === one.definition[key] ? one.definition : { ...one.definition, [key]: one.listedName });
		last = one;
	}
	return {
		[member]: page,
		...(nextCursor === undefined ? {} : { nextCursor }),
		...(staleUpstreams.length === 0 ? {} : { _meta: { 'dev.toolgate/cached': { upstreams: [...staleUpstreams] } } }),
	};
}

/** A cursor names the last item of its page, so that it needs no memory and never repeats one. */
const cursorAfter = ({ listedName }: Tool | Item): string => Buffer.from(listedName).toString('base64url');

/** A cursor that names what this caller would not be listed is none: it must not tell that there is such a thing. */
function startOf(cursor: unknown, offered: readonly (Tool | Item)[], isListed: (one: Tool | Item) => boolean): number {
	if (cursor === undefined) return 0;
	const name = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
	const index = offered.findIndex(({ listedName }) => listedName === name);
	if (index === -1 || !isListed(offered[index] as Tool | Item)) {
		throw new ToolGateError(
			'INVALID_PARAMS',
			'params.cursor is not a cursor of this list, or the list has changed: list again from the start',
		);
	}
	return index + 1;
}
