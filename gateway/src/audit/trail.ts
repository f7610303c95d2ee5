import { column } from '../store/event-row.ts';
import type { Sql, SqlParameter } from '../store/sql.ts';
import type { CheckpointKey } from './checkpoint.ts';
import { type CountOptions, countOverTime, type CountsOverTime } from './counts.ts';
import { type EntryPage, readEntries } from './entries.ts';
import { conditionOf, type Cursor, LOOKED_THROUGH, readCursor, siftOf, type TrailFilter, writeCursor } from './filter.ts';
import { type EventRecord, RECORD_COLUMNS, type RecordedEvent, recordedEvent } from './recorded-event.ts';
import { follow, headsNow } from './tail.ts';
import { type VerifyReport, verifyTrail } from './verify.ts';

export type { ExportFormat } from './export.ts';
export type { TrailFilter } from './filter.ts';
export type { RecordedEvent } from './recorded-event.ts';
export type { VerifyReport } from './verify.ts';

export interface EventPage {
	/** Newest first. Where it has to be sifted, there may be fewer than wanted, or none, and still a next page. */
	readonly events: RecordedEvent[];
	/** The cursor of the next page; absent on the last. */
	readonly next?: string;
}

/** The trail as it is read. */
export interface Trail {
	/** A page stays what it was while new events arrive. @throws {ToolGateError} BAD_INPUT: the cursor */
	search(filter: TrailFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<EventPage>;
	/** The same page with each call once, as a whole. @throws {ToolGateError} BAD_INPUT: the cursor */
	entries(filter: TrailFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<EntryPage>;
	/** How often which word was said, over the time that the filter leaves. */
	counts(filter: TrailFilter, options: CountOptions): Promise<CountsOverTime>;
	event(stream: string, sequence: number): Promise<RecordedEvent | undefined>;
	/** The events of one call, oldest first. */
	call(callId: string): Promise<RecordedEvent[]>;
	/** The last `last` events that fit, oldest first, then each new one until `signal` fires. None is left out or told twice. */
	tail(filter: TrailFilter, options: { readonly last: number; readonly signal: AbortSignal }): AsyncIterable<RecordedEvent>;
	/** Against the chain itself and the checkpoints in the table. */
	verify(): Promise<VerifyReport>;
}

const MAX_OF_CALL = 1_000;
const NEWEST_FIRST = 'e.time_ms DESC, e.stream DESC, e.sequence DESC';

/** @param checkpointKeys whose checkpoints count in `verify` */
export function createTrail(sql: Sql, checkpointKeys: readonly CheckpointKey[] = []): Trail {
	const trail: Trail = {
		async search(filter, { limit, cursor }) {
			const parameters: SqlParameter[] = [];
			const { found, sift } = siftOf(filter);
			let condition = conditionOf(found, parameters);
			const compare = (operator: '<' | '>=', { timeMs, stream, sequence }: Cursor) => {
				const n = parameters.push(timeMs, stream, sequence);
				condition += ` AND (e.time_ms, e.stream, e.sequence) ${operator} ($${n - 2}, $${n - 1}, $${n})`;
			};
			if (cursor !== undefined) compare('<', readCursor(cursor));
			const end = sift === undefined ? undefined : await placeOfEvent(sql, condition, parameters, LOOKED_THROUGH);
			if (end !== undefined) compare('>=', end);
			if (sift !== undefined) condition += ` AND ${conditionOf(sift, parameters)}`;
			// The limit stands in the statement itself, so that the planner knows how few rows are wanted.
			const rows = await sql.query<EventRecord>(
				`SELECT ${RECORD_COLUMNS} FROM events e WHERE ${condition} ORDER BY ${NEWEST_FIRST} LIMIT ${limit + 1}`,
				parameters,
			);
			const events = rows.slice(0, limit).map(recordedEvent);
			const last = rows.length > limit ? events.at(-1) : end;
			return last === undefined ? { events } : { events, next: writeCursor(last) };
		},

		entries: (filter, page) => readEntries(sql, trail.search, filter, page),

		counts: (filter, options) => countOverTime(sql, filter, options),

		async event(stream, sequence) {
			const [row] = await sql.query<EventRecord>(`SELECT ${RECORD_COLUMNS} FROM events e WHERE e.stream = $1 AND e.sequence = $2`, [
				column(stream),
				sequence,
			]);
			return row && recordedEvent(row);
		},

		async call(callId) {
			const parameters: SqlParameter[] = [];
			const condition = conditionOf({ callId }, parameters);
			const rows = await sql.query<EventRecord>(
				`SELECT ${RECORD_COLUMNS} FROM events e WHERE ${condition} ORDER BY e.time_ms, e.stream, e.sequence LIMIT ${MAX_OF_CALL}`,
				parameters,
			);
			return rows.map(recordedEvent);
		},

		async *tail(filter, { last, signal }) {
			// The heads first: what comes between the two looks is then told by the second.
			const heads = await headsNow(sql);
			const earlier = last === 0 ? [] : (await trail.search(filter, { limit: last })).events.reverse();
			for (const event of earlier) if (event.sequence <= (heads.get(event.stream) ?? 0)) yield event;
			yield* follow(sql, filter, heads, signal);
		},

		verify: () => verifyTrail(sql, checkpointKeys),
	};
	return trail;
}

/** Where the event stands that is the `count`th that fits; undefined when there are fewer. */
async function placeOfEvent(sql: Sql, condition: string, parameters: readonly SqlParameter[], count: number): Promise<Cursor | undefined> {
	const [row] = await sql.query<{ time_ms: number; stream: string; sequence: number }>(
		`SELECT e.time_ms, e.stream, e.sequence FROM events e WHERE ${condition} ORDER BY ${NEWEST_FIRST} OFFSET ${count - 1} LIMIT 1`,
		parameters,
	);
	return row && { timeMs: row.time_ms, stream: row.stream, sequence: row.sequence };
}
