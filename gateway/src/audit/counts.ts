import type { Sql, SqlParameter } from '../store/sql.ts';
import { conditionOf, LOOKED_THROUGH, siftOf, type TrailFilter } from './filter.ts';

/** What is counted: how calls were decided, each once, or what came of them. */
export type CountedWord = 'verdict' | 'outcome';

export interface CountsOverTime {
	/** Where the first bar begins and the last one ends. */
	readonly fromMs: number;
	readonly toMs: number;
	readonly stepMs: number;
	/** Bars that have something, oldest first: each with its words and how often. */
	readonly bars: readonly { readonly startMs: number; readonly counts: Readonly<Record<string, number>> }[];
	/** How many fit, among those that were looked at. */
	readonly total: number;
	/** False: there are older ones that fit, and they were left out. */
	readonly isAll: boolean;
}

export interface CountOptions {
	readonly by: CountedWord;
	/** Bars, at most. */
	readonly bars: number;
}

/**
 * Of the newest that fit, so many are counted: a chart never costs more, however long the trail. The embedded database does one thing at a time, and
 * calls would wait for it.
 */
const MAX_COUNTED = { pg: 500_000, pglite: 50_000 } as const satisfies Record<Sql['driver'], number>;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
	...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
	...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
	...[1, 2, 3, 6, 12].map((n) => n * HOUR),
	...[1, 2, 7, 14, 28, 91, 364].map((n) => n * DAY),
];

/** A call that a person let through was decided before: what followed is no second verdict. */
const VERDICT = {
	condition: `(e.kind = 'decision' OR e.kind IN ('intent', 'refusal') AND e.approval_id IS NULL)`,
	word: `CASE WHEN e.kind = 'intent' AND e.admission NOT IN ('granted', '') THEN e.admission
		ELSE coalesce(CASE WHEN e.kind = 'refusal' AND e.decision = 'approvalRequired' THEN NULL ELSE e.decision END, e.outcome, e.kind) END`,
};
const OUTCOME = { condition: `(e.outcome IS NOT NULL AND e.admission <> 'late')`, word: 'e.outcome' };

/** How often each word was said over time, among the newest {MAX_COUNTED} events that fit; where they have to be sifted, among fewer. */
export async function countOverTime(
	sql: Sql,
	filter: TrailFilter,
	{ by, bars }: CountOptions,
	max: number = MAX_COUNTED[sql.driver],
): Promise<CountsOverTime> {
	const parameters: SqlParameter[] = [];
	const { condition, word } = by === 'verdict' ? VERDICT : OUTCOME;
	const { found, sift } = siftOf(filter);
	const limit = sift === undefined ? max : Math.min(max, LOOKED_THROUGH);
	const within = `${conditionOf(found, parameters)} AND ${condition}`;
	const fits = sift === undefined ? 'true' : conditionOf(sift, parameters);
	const place = (value: SqlParameter) => `$${parameters.push(value)}`;
	const [since, until] = [
		place(filter.sinceMs ?? null),
		place(filter.untilMs ?? (filter.sinceMs === undefined ? null : Math.floor(sql.nowMs()) + 1)),
	];
	const rows = await sql.query<{
		from_ms: number | null;
		to_ms: number | null;
		step_ms: number;
		total: number;
		seen: number;
		start_ms: number | null;
		word: string;
		count: number;
	}>(
		`WITH fit AS MATERIALIZED (
			SELECT e.time_ms, ${word} AS word, ${fits} AS fits FROM events e WHERE ${within} ORDER BY e.time_ms DESC LIMIT ${limit}
		), span AS (
			SELECT CASE WHEN count(*) = ${limit} THEN min(time_ms) ELSE coalesce(${since}::bigint, min(time_ms)) END AS from_ms,
				coalesce(${until}::bigint, max(time_ms) + 1) AS to_ms, count(*) AS seen, count(*) FILTER (WHERE fits) AS total FROM fit
		), step AS (
			SELECT s.*, coalesce((SELECT min(n) FROM unnest(${place(STEPS)}::bigint[]) AS n WHERE (s.to_ms - s.from_ms) / n + 2 <= ${bars}), ${STEPS.at(-1)}) AS step_ms FROM span s
		), bars AS (
			SELECT f.time_ms / s.step_ms * s.step_ms AS start_ms, f.word, count(*) AS count FROM fit f CROSS JOIN step s WHERE f.fits GROUP BY 1, 2
		)
		SELECT s.from_ms, s.to_ms, s.step_ms, s.total, s.seen, b.* FROM step s LEFT JOIN bars b ON true ORDER BY b.start_ms, b.word`,
		parameters,
	);
	const { from_ms, to_ms, step_ms: stepMs, total, seen } = rows[0]!;
	const now = Math.floor(sql.nowMs());
	const [fromMs, toMs] = [from_ms ?? now, to_ms ?? now];
	const byStart = Map.groupBy(
		rows.filter(({ start_ms }) => start_ms !== null),
		({ start_ms }) => start_ms!,
	);
	return {
		fromMs: Math.floor(fromMs / stepMs) * stepMs,
		toMs: Math.ceil(toMs / stepMs) * stepMs,
		stepMs,
		bars: [...byStart].map(([startMs, of]) => ({ startMs, counts: Object.fromEntries(of.map(({ word, count }) => [word, count])) })),
		total,
		isAll: seen < limit,
	};
}
