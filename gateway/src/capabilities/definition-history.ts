import type { JsonObject } from '../domain.ts';
import type { Sql } from '../store/sql.ts';

/** What is known of one definition of one tool, for a person who has to judge a call of it. Times on the database's clock. */
export interface DefinitionHistory {
	/** Where it says what it is: the upstream's own words. */
	readonly title?: string;
	readonly description?: string;
	/** When this definition was first seen; absent when it was never listed. */
	readonly firstSeenAtMs?: number;
	/** Definitions of the tool seen before this one: it has changed that often. */
	readonly earlier: number;
	/** Whether the definition that is accepted now is this one; absent where none is. */
	readonly isAccepted?: boolean;
	readonly acceptedBy?: 'first-sight' | 'operator';
	readonly acceptedAtMs?: number;
}

interface HistoryRow {
	[column: string]: unknown;
	definition: JsonObject | null;
	first_seen_at: number | null;
	earlier: number;
	pin: string | null;
	pinned_by: 'first-sight' | 'operator' | null;
	pinned_at: number | null;
}

/** @throws {StoreUnavailable} */
export async function definitionHistory(sql: Sql, upstream: string, tool: string, digest: string): Promise<DefinitionHistory> {
	const [row] = await sql.query<HistoryRow>(
		`SELECT d.definition, d.first_seen_at, p.digest AS pin, p.pinned_by, p.pinned_at, (
			SELECT count(*) FROM tool_definitions e
			WHERE e.upstream = $1 AND e.tool = $2 AND e.digest <> $3 AND (d.first_seen_at IS NULL OR e.first_seen_at < d.first_seen_at)
		) AS earlier
		FROM (SELECT) one
		LEFT JOIN tool_definitions d ON d.upstream = $1 AND d.tool = $2 AND d.digest = $3
		LEFT JOIN tool_pins p ON p.upstream = $1 AND p.tool = $2`,
		[upstream, tool, digest],
	);
	const { definition, first_seen_at, earlier, pin, pinned_by, pinned_at } = row!;
	const { title, description } = definition ?? {};
	return {
		...(typeof title === 'string' ? { title } : {}),
		...(typeof description === 'string' ? { description } : {}),
		...(first_seen_at === null ? {} : { firstSeenAtMs: first_seen_at }),
		earlier,
		...(pin === null ? {} : { isAccepted: pin === digest }),
		...(pinned_by === null || pinned_at === null ? {} : { acceptedBy: pinned_by, acceptedAtMs: pinned_at }),
	};
}
