import type { JsonObject } from '../domain.ts';
import { type ItemKind, KEY_OF } from './offered-item.ts';

/** One upstream, as discovery needs it. */
export interface CapabilitySource {
	readonly name: string;
	/** What it said to `initialize`. @throws {Error} why there is no answer. */
	initializeResult(): Promise<JsonObject>;
	/** @throws {Error} why there is no result; with the JSON-RPC `code` where the upstream refused. */
	request(method: string, params: JsonObject): Promise<JsonObject>;
}

export interface Discovered {
	readonly initialize: JsonObject;
	/** Every tool, in the upstream's order, as it was sent. */
	readonly definitions: readonly ToolDefinition[];
	/** Everything else; a kind is absent where its list could not be read. */
	readonly items: ItemDefinitions;
	/** Why something is absent. */
	readonly problem: string | undefined;
}

export type ItemDefinitions = Readonly<Partial<Record<ItemKind, readonly JsonObject[]>>>;

export interface ToolDefinition extends JsonObject {
	name: string;
}

const MAX_PAGES = 500;
const MAX_ITEMS = 10_000;
const MAX_NAME_LENGTH = 256;
const MAX_URI_LENGTH = 8_192;
const METHOD_NOT_FOUND = -32601;

/**
 * Asks an upstream what it offers, to the last page. A list other than that of tools that can't be read leaves the others good.
 * @throws {Error} it could not be asked, or answered with something that is no list of tools.
 */
export async function discover(source: CapabilitySource): Promise<Discovered> {
	const initialize = await source.initializeResult();
	const declared = (initialize['capabilities'] ?? {}) as JsonObject;
	const definitions = 'tools' in declared ? await readList(source, TOOLS) : [];
	const items: Partial<Record<ItemKind, readonly JsonObject[]>> = {};
	let problem: string | undefined;
	for (const [kind, list] of Object.entries(ITEM_LISTS) as [ItemKind, List][]) {
		try {
			items[kind] = list.capability in declared ? await readList(source, list) : [];
		} catch (error) {
			// Servers that have resources often have no templates, and don't know the question.
			if ((error as { code?: unknown }).code === METHOD_NOT_FOUND) items[kind] = [];
			else problem ??= (error as Error).message;
		}
	}
	return { initialize, definitions: definitions as ToolDefinition[], items, problem };
}

/** How one list is asked for, and what its items need to have. */
interface List {
	readonly method: string;
	readonly capability: string;
	/** The member of the result that holds the items. */
	readonly member: string;
	readonly one: string;
	/** The member of an item that names it. */
	readonly key: string;
	readonly maxKeyLength: number;
}

const TOOLS: List = {
	method: 'tools/list',
	capability: 'tools',
	member: 'tools',
	one: 'a tool with a name',
	key: 'name',
	maxKeyLength: MAX_NAME_LENGTH,
};

const ITEM_LISTS: Readonly<Record<ItemKind, List>> = {
	resource: {
		method: 'resources/list',
		capability: 'resources',
		member: 'resources',
		one: 'a resource with a uri',
		key: KEY_OF.resource,
		maxKeyLength: MAX_URI_LENGTH,
	},
	resourceTemplate: {
		method: 'resources/templates/list',
		capability: 'resources',
		member: 'resourceTemplates',
		one: 'a template with a uriTemplate',
		key: KEY_OF.resourceTemplate,
		maxKeyLength: MAX_URI_LENGTH,
	},
	prompt: {
		method: 'prompts/list',
		capability: 'prompts',
		member: 'prompts',
		one: 'a prompt with a name',
		key: KEY_OF.prompt,
		maxKeyLength: MAX_NAME_LENGTH,
	},
};

async function readList(source: CapabilitySource, list: List): Promise<JsonObject[]> {
	const { method, member } = list;
	const items: JsonObject[] = [];
	const cursors = new Set<string>();
	let cursor: string | undefined;
	do {
		const { [member]: page, nextCursor } = await source.request(method, cursor === undefined ? {} : { cursor });
		if (!Array.isArray(page)) throw new Error(`${method}: the answer has no list of ${member}`);
		for (const item of page) {
			if (!isItem(item, list)) throw new Error(`${method}: item ${items.length} is not ${list.one}`);
			items.push(item);
		}
		if (items.length > MAX_ITEMS) throw new Error(`${method}: more than ${MAX_ITEMS} ${member}`);
		if (nextCursor !== undefined && typeof nextCursor !== 'string') throw new Error(`${method}: nextCursor is not a text`);
		cursor = nextCursor;
		if (cursor !== undefined && (cursors.has(cursor) || cursors.size >= MAX_PAGES)) throw new Error(`${method}: its pages do not end`);
		if (cursor !== undefined) cursors.add(cursor);
	} while (cursor !== undefined);
	return items;
}

// The database keeps no NUL in a text; nothing that has one is a name.
function isItem(item: unknown, { key, maxKeyLength }: List): item is JsonObject {
	const name = (item as JsonObject | null)?.[key];
	return typeof name === 'string' && name.length <= maxKeyLength && !name.includes('\0') && !Array.isArray(item);
}
