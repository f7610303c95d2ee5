import type { Sql, SqlParameter } from '../store/sql.ts';
import { csvHeader, csvRow } from './export-csv.ts';
import { conditionOf, siftOf, type TrailFilter } from './filter.ts';
import { type EventRecord, RECORD_COLUMNS } from './recorded-event.ts';

export type ExportFormat = 'jsonl' | 'csv';

export interface ExportOptions {
	readonly format: ExportFormat;
	/** Given: only what fits, oldest first, which can't be verified. Absent: every stream from its first event to its head, and its checkpoints. */
	readonly filter?: TrailFilter;
	/** Of the key that signs checkpoints now. */
	readonly keyId: string;
}

const PAGE = 1_000;
const SIFTED_PAGE = 5_000;

type Stored = EventRecord & { time_ms: number };

/** The trail as text, in pieces of many lines: `docs/audit-format.md`. What arrives meanwhile is left out. */
export async function* exportTrail(sql: Sql, options: ExportOptions): AsyncGenerator<string> {
	const { format, filter, keyId } = options;
	// Before everything else is read: a checkpoint that was signed earlier finds its events here.
	const exportedAtMs = sql.nowMs();
	const isCsv = format === 'csv';
	const textOf = (rows: readonly Stored[]): string => rows.map(isCsv ? csvRow : eventLine).join('');
	if (isCsv) yield csvHeader;
	let events = 0;
	if (filter !== undefined) {
		if (!isCsv) yield line({ export: { version: 1, exportedAtMs, isWhole: false, keyId, filter } });
		for await (const rows of fitting(sql, filter)) {
			events += rows.length;
			yield textOf(rows);
		}
	} else {
		const checkpoints = isCsv ? [] : await checkpointLines(sql);
		const streams = await sql.query<{ stream: string; sequence: number; hash: string }>(
			`SELECT id AS stream, sequence, encode(hash, 'hex') AS hash FROM streams WHERE sequence > 0 ORDER BY id`,
			[],
		);
		if (!isCsv) {
			yield line({ export: { version: 1, exportedAtMs, isWhole: true, keyId, streams } });
			yield checkpoints.map((checkpoint) => `{"checkpoint":${checkpoint}}\n`).join('');
		}
		for (const { stream, sequence } of streams) {
			for await (const rows of ofStream(sql, stream, sequence)) {
				events += rows.length;
				yield textOf(rows);
			}
		}
	}
	if (!isCsv) yield line({ end: { events } });
}

/** The body stands as it was hashed. */
function eventLine({ stream, sequence, admission, hash, body }: Stored): string {
	const place = JSON.stringify({ stream, sequence, admission, hash: Buffer.from(hash).toString('hex') });
	return `${place.slice(0, -1)},"event":${body}}\n`;
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;

async function checkpointLines(sql: Sql): Promise<string[]> {
	const rows = await sql.query<{ line: string }>('SELECT line FROM checkpoints ORDER BY stream, sequence', []);
	return rows.map((row) => row.line);
}

async function* ofStream(sql: Sql, stream: string, end: number): AsyncGenerator<Stored[]> {
	for (let last = 0; last < end; ) {
		const rows = await sql.query<Stored>(
			`SELECT ${RECORD_COLUMNS}, e.time_ms FROM events e WHERE e.stream = $1 AND e.sequence > $2 AND e.sequence <= $3 ORDER BY e.sequence LIMIT ${PAGE}`,
			[stream, last, end],
		);
		if (rows.length === 0) return;
		last = rows.at(-1)!.sequence;
		yield rows;
	}
}

/** Up to the newest that is there now. */
async function* fitting(sql: Sql, filter: TrailFilter): AsyncGenerator<Stored[]> {
	let after: readonly [number, string, number] = [-1, '', 0];
	const endMs = sql.nowMs();
	for (;;) {
		const parameters: SqlParameter[] = [];
		const { found, sift } = siftOf({ ...filter, untilMs: Math.min(filter.untilMs ?? Infinity, endMs) });
		const condition = conditionOf(found, parameters);
		const fits = sift === undefined ? 'true' : conditionOf(sift, parameters);
		parameters.push(...after);
		const n = parameters.length;
		const rows = await sql.query<Stored & { fits: boolean }>(
			`SELECT e.stream, e.sequence, e.admission, e.hash, e.time_ms, ${fits} AS fits, CASE WHEN ${fits} THEN e.body ELSE '' END AS body
			FROM events e WHERE ${condition} AND (e.time_ms, e.stream, e.sequence) > ($${n - 2}, $${n - 1}, $${n})
			ORDER BY e.time_ms, e.stream, e.sequence LIMIT ${sift === undefined ? PAGE : SIFTED_PAGE}`,
			parameters,
		);
		const last = rows.at(-1);
		if (last === undefined) return;
		after = [last.time_ms, last.stream, last.sequence];
		yield rows.filter((row) => row.fits);
	}
}
