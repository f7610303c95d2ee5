import { randomUUID } from 'node:crypto';
import type { Conceal } from '../conceal.ts';
import type { TrailEvent } from '../domain.ts';
import { eventRow } from '../store/event-row.ts';
import { type Sql, StatementFailed, StoreUnavailable } from '../store/sql.ts';
import { type CheckpointSigner, writeCheckpoint } from './checkpoint.ts';

export interface RetentionOptions {
	readonly sql: Sql;
	/** The stream that this process writes now; undefined while it holds no lease. */
	readonly stream: () => string | undefined;
	readonly signer: CheckpointSigner;
	readonly conceal: Conceal;
	/** Whole months that are kept besides the current one; 0 keeps everything. */
	readonly months: number;
	/** Cuts are told to the second place too. */
	readonly hasSink: boolean;
	readonly onNews: (text: string) => void;
	readonly onFault: (error: unknown) => void;
	readonly everyMs?: number;
}

export interface Retention {
	/** Makes room for the months to come, and takes away those that are over; returns which. Runs by itself every hour. @throws {StoreUnavailable} */
	run(): Promise<number[]>;
	close(): void;
}

const EVERY_MS = 3_600_000;
/** While it waits for the table, every writer waits behind it. */
const LOCK_TIMEOUT = '2s';
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Retention by whole months. What is taken away of a stream is always its beginning, and the hash it ended with is signed first: the rest of the
 * chain is verified from there.
 */
export function createRetention(options: RetentionOptions): Retention {
	const { sql, signer, conceal, months, hasSink, onNews, onFault } = options;

	/** False when another process has done it, or when it has to wait. */
	const cut = async (month: number, stream: string): Promise<boolean> => {
		// Nothing is written to a month that is over.
		const heads = await sql.query<{ stream: string; sequence: number; hash: string; events: number }>(
			`SELECT DISTINCT ON (stream) stream, sequence, encode(hash, 'hex') AS hash, count(*) OVER () AS events
			FROM events WHERE month = $1 ORDER BY stream, sequence DESC`,
			[month],
		);
		const cuts = heads.map((head) =>
			signer.sign({ kind: 'cut', stream: head.stream, sequence: head.sequence, hash: head.hash, timeMs: sql.nowMs() }),
		);
		const count = heads[0]?.events ?? 0;
		const says = `${String(month).slice(0, 4)}-${String(month).slice(4)}`;
		const event: TrailEvent = {
			version: 1,
			id: randomUUID(),
			kind: 'operator',
			timeMs: sql.nowMs(),
			message: `retention: ${count} events of ${says} taken away`,
			detail: { act: 'retention', month: says, events: count, streams: heads.length },
		};
		const isDone = await sql.transaction(async (tx) => {
			await tx.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
			const [lock] = await tx.query<{ is_mine: boolean; is_there: boolean }>(
				`SELECT pg_try_advisory_xact_lock(hashtextextended('toolgate: retention', 0)) AS is_mine, to_regclass('events_' || $1) IS NOT NULL AS is_there`,
				[String(month)],
			);
			if (!lock!.is_mine || !lock!.is_there) return false;
			// The head of the own stream before the table: writers take them in this order.
			await tx.query('SELECT append_event($1, $2::jsonb)', [stream, JSON.stringify(eventRow(event, conceal))]);
			await tx.query(
				`INSERT INTO checkpoints (stream, sequence, kind, line, is_told) SELECT s, n, 'cut', l, $4
				FROM unnest($1::text[], $2::bigint[], $3::text[]) AS x (s, n, l) ON CONFLICT DO NOTHING`,
				[cuts.map((each) => each.stream), cuts.map((each) => each.sequence), cuts.map(writeCheckpoint), !hasSink],
			);
			await tx.query(
				'DELETE FROM checkpoints c USING checkpoints x WHERE x.kind = $1 AND c.stream = x.stream AND c.sequence < x.sequence',
				['cut'],
			);
			await tx.query(`DROP TABLE events_${month}`);
			return true;
		});
		if (isDone) onNews(`retention: ${count} events of ${says} taken away; the chain is verified from their signed end on`);
		return isDone;
	};

	const run = async (): Promise<number[]> => {
		await sql.query(`SELECT ensure_month(month_of(clock_timestamp())), ensure_month(month_of(clock_timestamp() + interval '1 month'))`, []);
		const stream = options.stream();
		if (months === 0 || stream === undefined) return [];
		const over = await sql.query<{ month: number }>(
			`SELECT substr(c.relname, 8)::int AS month FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = 'events'::regclass AND substr(c.relname, 8)::int < month_of(clock_timestamp() - $1 * interval '1 month')
				-- A call that is still open is closed first.
				AND NOT EXISTS (SELECT FROM intents o JOIN events e ON e.call_id = o.call_id WHERE e.month <= substr(c.relname, 8)::int)
			ORDER BY 1`,
			[months],
		);
		const done: number[] = [];
		for (const { month } of over) {
			try {
				if (await cut(month, stream)) done.push(month);
			} catch (error) {
				// Someone reads it for long; the next round comes.
				if (!(error instanceof StatementFailed && error.sqlState === LOCK_NOT_AVAILABLE)) throw error;
				break;
			}
		}
		return done;
	};

	let isRunning = false;
	const runAlone = () => {
		if (isRunning) return;
		isRunning = true;
		run()
			.catch((error: unknown) => {
				// A store that is away is told where calls meet it.
				if (!(error instanceof StoreUnavailable)) onFault(error);
			})
			.finally(() => (isRunning = false));
	};
	const timer = setInterval(runAlone, options.everyMs ?? EVERY_MS).unref();
	return { run, close: () => clearInterval(timer) };
}
