import type { Sql, SqlParameter } from '../store/sql.ts';
import type { CheckpointKey } from './checkpoint.ts';
import { conditionOf, readCursor, type TrailFilter, writeCursor } from './filter.ts';
import { type EventRecord, RECORD_COLUMNS, type RecordedEvent, recordedEvent } from './recorded-event.ts';
import { follow, headsNow } from './tail.ts';
import { type VerifyReport, verifyTrail } from './verify.ts';

export type { ExportFormat } from './export.ts';
export type { TrailFilter } from './filter.ts';
export type { RecordedEvent } from './recorded-event.ts';
export type { VerifyReport } from './verify.ts';

export interface EventPage {
	/** Newest first. */
	readonly events: RecordedEvent[];
	/** The cursor of the next page; absent on the last. */
	readonly next?: string;
}

/** The trail as it is read. */
export interface Trail {
	/** A page stays what it was while new events arrive. @throws {ToolGateError} BAD_INPUT: the cursor */
	search(filter: TrailFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<EventPage>;
	/** The events of one call, oldest first. */
	call(callId: string): Promise<RecordedEvent[]>;
	/** The last `last` events that fit, oldest first, then each new one until `signal` fires. None is left out or told twice. */
	tail(filter: TrailFilter, options: { readonly last: number; readonly signal: AbortSignal }): AsyncIterable<RecordedEvent>;
	/** Against the chain itself and the checkpoints in the table. */
	verify(): Promise<VerifyReport>;
}

const MAX_OF_CALL = 1_000;

/** @param checkpointKeys whose checkpoints count in `verify` */
export function createTrail(sql: Sql, checkpointKeys: readonly CheckpointKey[] = []): Trail {
	const trail: Trail = {
		async search(filter, { limit, cursor }) {
			const parameters: SqlParameter[] = [];
			let condition = conditionOf(filter, parameters);
			if (cursor !== undefined) {
				const { timeMs, stream, sequence } = readCursor(cursor);
				parameters.push(timeMs, stream, sequence);
				const n = parameters.length;
				condition += ` AND (e.time_ms, e.stream, e.sequence) < ($${n - 2}, $${n - 1}, $${n})`;
			}
			// The limit stands in the statement itself, so that the planner knows how few rows are wanted.
			const rows = await sql.query<EventRecord>(
				`SELECT ${RECORD_COLUMNS} FROM events e WHERE ${condition} ORDER BY e.time_ms DESC, e.stream DESC, e.sequence DESC LIMIT ${limit + 1}`,
				parameters,
			);
			const events = rows.slice(0, limit).map(recordedEvent);
			const last = events.at(-1);
			return rows.length > limit && last !== undefined ? { events, next: writeCursor(last) } : { events };
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
