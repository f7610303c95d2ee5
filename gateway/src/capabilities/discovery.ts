import type { JsonObject } from '../domain.ts';

/** One upstream, as discovery needs it. */
export interface CapabilitySource {
	readonly name: string;
	/** What it said to `initialize`. @throws {Error} why there is no answer. */
	initializeResult(): Promise<JsonObject>;
	/** @throws {Error} why there is no result. */
	request(method: string, params: JsonObject): Promise<JsonObject>;
}

export interface Discovered {
	readonly initialize: JsonObject;
	/** Every tool, in the upstream's order, as it was sent. */
	readonly definitions: readonly ToolDefinition[];
}

export interface ToolDefinition extends JsonObject {
	name: string;
}

const MAX_PAGES = 500;
const MAX_TOOLS = 10_000;
const MAX_NAME_LENGTH = 256;

/**
 * Asks an upstream what it offers, to the last page.
 * @throws {Error} it could not be asked, or answered with something that is no list of tools.
 */
export async function discover(source: CapabilitySource): Promise<Discovered> {
	const initialize = await source.initializeResult();
	const offered = initialize['capabilities'];
	const hasTools = typeof offered === 'object' && offered !== null && 'tools' in offered;
	return { initialize, definitions: hasTools ? await listTools(source) : [] };
}

async function listTools(source: CapabilitySource): Promise<ToolDefinition[]> {
	const definitions: ToolDefinition[] = [];
	const cursors = new Set<string>();
	let cursor: string | undefined;
	do {
		const { tools, nextCursor } = await source.request('tools/list', cursor === undefined ? {} : { cursor });
		if (!Array.isArray(tools)) throw new Error('tools/list: the answer has no list of tools');
		for (const tool of tools) {
			if (!isDefinition(tool)) throw new Error(`tools/list: item ${definitions.length} is not a tool with a name`);
			definitions.push(tool);
		}
		if (definitions.length > MAX_TOOLS) throw new Error(`tools/list: more than ${MAX_TOOLS} tools`);
		if (nextCursor !== undefined && typeof nextCursor !== 'string') throw new Error('tools/list: nextCursor is not a text');
		cursor = nextCursor;
		if (cursor !== undefined && (cursors.has(cursor) || cursors.size >= MAX_PAGES)) throw new Error('tools/list: its pages do not end');
		if (cursor !== undefined) cursors.add(cursor);
	} while (cursor !== undefined);
	return definitions;
}

// The database keeps no NUL in a text; nothing that has one is a name.
function isDefinition(tool: unknown): tool is ToolDefinition {
	const name = (tool as { name?: unknown } | null)?.name;
	return typeof name === 'string' && name.length <= MAX_NAME_LENGTH && !name.includes('\0') && !Array.isArray(tool);
}
