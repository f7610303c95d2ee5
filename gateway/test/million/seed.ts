import { createHash } from 'node:crypto';
import { checkpointSigner } from '../../src/audit/checkpoint.ts';
import { canonicalJson } from '../../src/canonical-json.ts';
import { createConceal } from '../../src/conceal.ts';
import { deriveKeys } from '../../src/keys.ts';
import { deploymentKey } from '../../src/store/deployment-key.ts';
import { eventRow, type EventRow } from '../../src/store/event-row.ts';
import type { Sql } from '../../src/store/sql.ts';
import { seeded } from '../../soak/random.ts';
import { aTime, eventsOf, type Written } from './calls.ts';

export interface SeedOptions {
	/** About so many. */
	readonly events: number;
	readonly days: number;
	readonly seed: number;
	/** Where the trail ends. */
	readonly nowMs: number;
	readonly onProgress?: (events: number) => void;
}

const EVENTS_PER_CALL = 2.1;
const AT_ONCE = 2_000;
/** As if that many processes had written it, one after the other, each with the part of the time. */
const STREAMS = 4;
const DAY_MS = 86_400_000;

/** Writes a trail past the writer, because that one would take its time; chained and signed as it would be. Returns how many events. */
export async function seedTrail(sql: Sql, { events, days, seed, nowMs, onProgress }: SeedOptions): Promise<number> {
	const keys = deriveKeys(await deploymentKey(sql));
	const signer = checkpointSigner(keys.checkpointSeed);
	const conceal = createConceal(keys.keyedDigest);
	const { below } = seeded(seed);
	const random = () => below(2 ** 32) / 2 ** 32;
	const fromMs = nowMs - days * DAY_MS;
	// An upstream that is down for some hours, three days before the end.
	const isBad = (ms: number) => ms > nowMs - 3.2 * DAY_MS && ms < nowMs - 3 * DAY_MS;
	let written = 0;
	for (let part = 0; part < STREAMS; part++) {
		const [beginMs, endMs] = [part, part + 1].map((n) => fromMs + ((nowMs - fromMs) * n) / STREAMS) as [number, number];
		const starts = Array.from({ length: Math.round(events / EVENTS_PER_CALL / STREAMS) }, () => aTime(random, beginMs, endMs)).sort(
			(a, b) => a - b,
		);
		const stream = `00000000-0000-4000-8000-00000000000${part}`;
		let [sequence, hash] = [0, Buffer.alloc(32)];
		// Calls overlap: an event is written when its time has come.
		let waiting: Written[] = [];
		const flush = async (batch: readonly Written[]) => {
			const rows = batch.map(({ event, admission }) => {
				const row = eventRow(event, conceal);
				hash = createHash('sha256').update(hash).update(Buffer.from(row.digest, 'hex')).update(admission).digest();
				return { ...row, admission, sequence: ++sequence, hash: hash.toString('hex') };
			});
			await insert(sql, stream, rows);
			written += rows.length;
			onProgress?.(written);
		};
		await sql.query('INSERT INTO streams (id) VALUES ($1)', [stream]);
		for (const ms of starts) {
			waiting.push(...eventsOf(random, ms, isBad(ms)));
			if (waiting.length < 2 * AT_ONCE) continue;
			waiting.sort((a, b) => a.event.timeMs - b.event.timeMs);
			await flush(waiting.slice(0, AT_ONCE));
			waiting = waiting.slice(AT_ONCE);
		}
		waiting.sort((a, b) => a.event.timeMs - b.event.timeMs);
		await flush(waiting.filter(({ event }) => event.timeMs <= nowMs));
		const head = { kind: 'head', stream, sequence, hash: hash.toString('hex'), timeMs: Math.floor(endMs) } as const;
		await sql.query('UPDATE streams SET sequence = $2, hash = $3, month = month_of(clock_timestamp()) WHERE id = $1', [
			stream,
			sequence,
			hash,
		]);
		await sql.query('INSERT INTO checkpoints (stream, sequence, kind, line, is_told) VALUES ($1, $2, $3, $4, true)', [
			stream,
			sequence,
			head.kind,
			canonicalJson({ ...signer.sign(head) }),
		]);
	}
	return written;
}

type Row = EventRow & { readonly admission: string; readonly sequence: number; readonly hash: string };

async function insert(sql: Sql, stream: string, rows: readonly Row[]): Promise<void> {
	await sql.query(
		`SELECT ensure_month(m) FROM (SELECT DISTINCT month_of(to_timestamp(t / 1000.0)) AS m FROM unnest($1::bigint[]) AS t) AS months`,
		[rows.map((row) => row.time_ms)],
	);
	await sql.query(
		`INSERT INTO events
		SELECT month_of(to_timestamp(r.time_ms / 1000.0)), $1, r.sequence, r.id, r.kind, r.time_ms, r.call_id, r.decision_id, r.intent_id, r.approval_id,
			r.principal, r.agent, r.session, r.turn, r.server, r.tool, r.decision, r.outcome, r.rule, r.admission, r.body, decode(r.digest, 'hex'), decode(r.hash, 'hex')
		FROM jsonb_to_recordset($2::jsonb) AS r (sequence bigint, id text, kind text, time_ms bigint, call_id text, decision_id text, intent_id text, approval_id text,
			principal text, agent text, session text, turn text, server text, tool text, decision text, outcome text, rule text, admission text, body text, digest text, hash text)`,
		[stream, JSON.stringify(rows)],
	);
}
