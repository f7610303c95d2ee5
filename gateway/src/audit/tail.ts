import { setTimeout as pause } from 'node:timers/promises';
import type { Sql, SqlParameter } from '../store/sql.ts';
import { conditionOf, type TrailFilter } from './filter.ts';
import { type EventRecord, type RecordedEvent, recordedEvent } from './recorded-event.ts';

/** Events of one stream per look, at most. */
const MAX_PER_STREAM = 500;
/** Under load a look takes what many batches have written. */
const LOOK_EVERY_MS = 20;

/** How far each stream has been read. A stream's events become visible in its order: nothing can be overtaken. */
export type Heads = Map<string, number>;

export async function headsNow(sql: Sql): Promise<Heads> {
	const rows = await sql.query<{ id: string; sequence: number }>('SELECT id, sequence FROM streams', []);
	return new Map(rows.map(({ id, sequence }) => [id, sequence]));
}

/** Each event after `heads` that fits, until `signal` fires; woken by the writers. */
export async function* follow(sql: Sql, filter: TrailFilter, heads: Heads, signal: AbortSignal): AsyncGenerator<RecordedEvent> {
	let isFresh = true;
	let wake: (() => void) | undefined;
	const onNews = () => {
		isFresh = true;
		wake?.();
	};
	const stop = await sql.listen('toolgate_trail', onNews);
	signal.addEventListener('abort', onNews);
	try {
		while (!signal.aborted) {
			if (!isFresh) {
				await new Promise<void>((resolve) => (wake = resolve));
				continue;
			}
			isFresh = false;
			for (;;) {
				const { events, isAll } = await readOn(sql, filter, heads);
				for (const event of events) {
					if (signal.aborted) return;
					yield event;
				}
				if (isAll) break;
			}
			await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
		}
	} finally {
		signal.removeEventListener('abort', onNews);
		await stop();
	}
}

/** The next events after `heads`, which move on over those that don't fit, too. */
async function readOn(sql: Sql, filter: TrailFilter, heads: Heads): Promise<{ events: RecordedEvent[]; isAll: boolean }> {
	const parameters: SqlParameter[] = [[...heads.keys()], [...heads.values()]];
	const condition = conditionOf(filter, parameters);
	const rows = await sql.query<EventRecord & { fits: boolean }>(
		`SELECT e.* FROM streams s LEFT JOIN unnest($1::text[], $2::bigint[]) AS h (stream, sequence) ON h.stream = s.id
		CROSS JOIN LATERAL (
			SELECT e.stream, e.sequence, e.admission, e.hash, e.time_ms, ${condition} AS fits,
				CASE WHEN ${condition} THEN e.body ELSE '' END AS body
			FROM events e WHERE e.stream = s.id AND e.sequence > coalesce(h.sequence, 0) ORDER BY e.sequence LIMIT ${MAX_PER_STREAM}
		) AS e
		WHERE s.sequence > coalesce(h.sequence, 0) ORDER BY e.time_ms, e.stream, e.sequence`,
		parameters,
	);
	const perStream = new Map<string, number>();
	for (const { stream, sequence } of rows) {
		heads.set(stream, Math.max(sequence, heads.get(stream) ?? 0));
		perStream.set(stream, (perStream.get(stream) ?? 0) + 1);
	}
	const events = rows.filter(({ fits }) => fits).map(recordedEvent);
	return { events, isAll: ![...perStream.values()].includes(MAX_PER_STREAM) };
}
