import type { JsonObject } from '../domain.ts';
import type { Sql, SqlExecutor } from '../store/sql.ts';
import type { ItemDefinitions, ToolDefinition } from './discovery.ts';

export interface Pin {
	readonly digest: string;
	readonly by: 'first-sight' | 'operator';
	/** The accepted definition, where it is not the one that is listed now. */
	readonly definition?: JsonObject;
}

/** Pins of one upstream by tool. */
export type Pins = ReadonlyMap<string, Pin>;

export interface StoredList {
	readonly upstream: string;
	readonly initialize: JsonObject;
	readonly definitions: readonly ToolDefinition[];
	readonly items: Required<ItemDefinitions>;
	/** On the database's clock. */
	readonly seenMs: number;
}

export interface ListedDefinition {
	readonly definition: ToolDefinition;
	readonly digest: string;
}

/** Where another replica hears of a moved pin; the payload is the upstream. */
export const PINS_CHANNEL = 'toolgate_pins';

/** The last good list of every upstream. */
export async function loadLists(sql: Sql): Promise<StoredList[]> {
	const rows = await sql.query<ListRow>(
		`SELECT l.upstream, l.initialize, l.seen_at AS seen, l.resources, l.resource_templates, l.prompts, coalesce((
			SELECT json_agg(d.definition ORDER BY t.place)
			FROM unnest(l.tools) WITH ORDINALITY AS t (digest, place)
			JOIN tool_definitions d ON d.upstream = l.upstream AND d.digest = t.digest
		), '[]') AS definitions
		FROM upstream_lists l`,
	);
	return rows.map(({ upstream, initialize, definitions, seen, resources, resource_templates, prompts }) => ({
		upstream,
		initialize,
		definitions,
		items: { resource: resources, resourceTemplate: resource_templates, prompt: prompts },
		seenMs: seen,
	}));
}

interface ListRow {
	[column: string]: unknown;
	upstream: string;
	initialize: JsonObject;
	definitions: ToolDefinition[];
	resources: JsonObject[];
	resource_templates: JsonObject[];
	prompts: JsonObject[];
	seen: number;
}

/** A list that was just read, and what of it may be pinned at first sight. */
export interface ReadList {
	readonly initialize: JsonObject;
	readonly listed: readonly ListedDefinition[];
	readonly pinnable: readonly ListedDefinition[];
	readonly items: Required<ItemDefinitions>;
}

/** Keeps a list that was just read, pins what may be pinned at first sight, and returns the pins that hold then. */
export async function saveList(sql: Sql, upstream: string, { initialize, listed, pinnable, items }: ReadList): Promise<Pins> {
	return sql.transaction(async (tx) => {
		// In one order on every replica, so that two of them never wait for each other.
		const definitions = listed.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
		await tx.query(
			`INSERT INTO tool_definitions (upstream, digest, tool, definition)
			SELECT $1, digest, tool, definition::json FROM unnest($2::text[], $3::text[], $4::text[]) AS seen (digest, tool, definition)
			ON CONFLICT DO NOTHING`,
			[
				upstream,
				definitions.map(({ digest }) => digest),
				definitions.map(({ definition }) => definition.name),
				definitions.map(({ definition }) => JSON.stringify(definition)),
			],
		);
		await tx.query(
			`INSERT INTO upstream_lists (upstream, initialize, tools, resources, resource_templates, prompts)
			VALUES ($1, $2::json, $3::text[], $4::json, $5::json, $6::json)
			ON CONFLICT (upstream) DO UPDATE SET initialize = excluded.initialize, tools = excluded.tools, resources = excluded.resources,
				resource_templates = excluded.resource_templates, prompts = excluded.prompts, seen_at = clock_timestamp()`,
			[
				upstream,
				JSON.stringify(initialize),
				listed.map(({ digest }) => digest),
				JSON.stringify(items.resource),
				JSON.stringify(items.resourceTemplate),
				JSON.stringify(items.prompt),
			],
		);
		const pins = pinnable.toSorted((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
		await tx.query(
			`INSERT INTO tool_pins (upstream, tool, digest, pinned_by)
			SELECT $1, tool, digest, 'first-sight' FROM unnest($2::text[], $3::text[]) AS seen (tool, digest)
			ON CONFLICT DO NOTHING`,
			[upstream, pins.map(({ definition }) => definition.name), pins.map(({ digest }) => digest)],
		);
		return readPins(tx, upstream, listed);
	});
}

export async function readPins(sql: SqlExecutor, upstream: string, listed: readonly ListedDefinition[]): Promise<Pins> {
	const rows = await sql.query<{ tool: string; digest: string; by: Pin['by']; definition: JsonObject | null }>(
		`SELECT p.tool, p.digest, p.pinned_by AS by, CASE WHEN p.digest = ANY ($2::text[]) THEN NULL ELSE d.definition END AS definition
		FROM tool_pins p LEFT JOIN tool_definitions d ON d.upstream = p.upstream AND d.digest = p.digest
		WHERE p.upstream = $1`,
		[upstream, listed.map(({ digest }) => digest)],
	);
	return new Map(rows.map(({ tool, digest, by, definition }) => [tool, { digest, by, ...(definition === null ? {} : { definition }) }]));
}

/** When definitions were first seen, by digest; milliseconds on the database's clock. */
export async function readFirstSeen(sql: Sql, digests: readonly string[]): Promise<Map<string, number>> {
	const rows = await sql.query<{ digest: string; at: number }>(
		'SELECT digest, max(first_seen_at) AS at FROM tool_definitions WHERE digest = ANY ($1::text[]) GROUP BY digest',
		[digests],
	);
	return new Map(rows.map(({ digest, at }) => [digest, at]));
}

/** Pins a definition for an operator, whatever was pinned before; other replicas hear of it. */
export async function movePin(sql: Sql, upstream: string, tool: string, digest: string): Promise<void> {
	await sql.transaction(async (tx) => {
		await tx.query(
			`INSERT INTO tool_pins (upstream, tool, digest, pinned_by) VALUES ($1, $2, $3, 'operator')
			ON CONFLICT (upstream, tool) DO UPDATE SET digest = excluded.digest, pinned_by = 'operator', pinned_at = clock_timestamp()`,
			[upstream, tool, digest],
		);
		await tx.query('SELECT pg_notify($1, $2)', [PINS_CHANNEL, upstream]);
	});
}
