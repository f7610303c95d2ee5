import type { TrailEvent } from '../domain.ts';
import { columnsOf, type EventColumns } from '../store/event-row.ts';
import type { Sql, SqlRow } from '../store/sql.ts';
import { ChainCheck } from './chain-check.ts';
import type { CheckpointKey } from './checkpoint.ts';
import { CheckpointSet } from './checkpoint-set.ts';

export interface VerifyReport {
	readonly isIntact: boolean;
	readonly streams: number;
	/** Events looked at, up to the first bad one. */
	readonly events: number;
	/** The first bad event and what is wrong with it. */
	readonly problem?: string;
	/** When the last signed checkpoint that agrees was made. */
	readonly lastCheckpointMs?: number;
	/** Events that no signed checkpoint vouches for yet: the newest of each stream. */
	readonly unsigned: number;
	/** What the database promises about events that were acknowledged. */
	readonly durability?: string;
	/** What this statement does not cover, a sentence each. */
	readonly notes?: readonly string[];
}

/** Events per round trip: few enough that calls beside it don't wait. */
const PAGE = 1_000;

const NAMES = [
	'id',
	'kind',
	'time_ms',
	'call_id',
	'decision_id',
	'intent_id',
	'approval_id',
	'principal',
	'agent',
	'session',
	'turn',
	'server',
	'tool',
	'decision',
	'outcome',
	'rule',
] as const satisfies (keyof EventColumns)[];
/** As one text: a driver that takes eighteen columns apart costs more than the hashes. */
const COLUMNS = NAMES.map((name) => `e.${name}`).join();

interface StoredEvent extends SqlRow {
	sequence: number;
	admission: string;
	body: string;
	hash: string;
	digest: string;
	columns: string;
}

interface StreamReport {
	readonly events: number;
	readonly unsigned: number;
	readonly lastCheckpointMs: number;
	readonly problem?: string;
}

/**
 * Recomputes every stream from the bodies: sequence, digests, hashes, columns, checkpoints and the head. Events that arrive meanwhile are left
 * for the next time.
 * @param keys whose checkpoints count
 */
export async function verifyTrail(sql: Sql, keys: readonly CheckpointKey[]): Promise<VerifyReport> {
	const ids = await sql.query<{ id: string }>(
		'SELECT id FROM streams UNION SELECT DISTINCT stream FROM checkpoints UNION SELECT DISTINCT stream FROM events ORDER BY id',
		[],
	);
	const durability =
		sql.driver === 'pglite'
			? 'the embedded database keeps what was acknowledged when the process dies, not through a power failure'
			: 'PostgreSQL keeps what was acknowledged as its own settings say';
	let [events, unsigned, lastCheckpointMs] = [0, 0, 0];
	const report = (rest: Pick<VerifyReport, 'isIntact' | 'problem'>): VerifyReport => ({
		...rest,
		streams: ids.length,
		events,
		unsigned,
		...(lastCheckpointMs === 0 ? {} : { lastCheckpointMs }),
		durability,
	});
	for (const { id } of ids) {
		let checked = await verifyStream(sql, id, keys);
		// Retention may have cut between two looks: what is really bad is bad again.
		if (checked.problem !== undefined) checked = await verifyStream(sql, id, keys);
		events += checked.events;
		unsigned += checked.unsigned;
		lastCheckpointMs = Math.max(lastCheckpointMs, checked.lastCheckpointMs);
		if (checked.problem !== undefined) return report({ isIntact: false, problem: `stream ${id}, ${checked.problem}` });
	}
	return report({ isIntact: true });
}

async function verifyStream(sql: Sql, stream: string, keys: readonly CheckpointKey[]): Promise<StreamReport> {
	// Checkpoints before the head: what is signed meanwhile is not taken for a cut tail.
	const set = new CheckpointSet(keys);
	const lines = await sql.query<{ line: string; sequence: number }>(
		'SELECT line, sequence FROM checkpoints WHERE stream = $1 ORDER BY sequence',
		[stream],
	);
	const [head] = await sql.query<{ sequence: number; hash: string }>(
		`SELECT sequence, encode(hash, 'hex') AS hash FROM streams WHERE id = $1`,
		[stream],
	);
	let events = 0;
	const bad = (problem: string): StreamReport => ({ events, unsigned: 0, lastCheckpointMs: 0, problem });
	for (const { line, sequence } of lines) {
		const wrong = set.add(line, 'in the database');
		if (wrong !== undefined) return bad(wrong.stream === stream ? wrong.says : `event ${sequence}: ${wrong.says}`);
	}
	if (set.of(stream).length !== lines.length) return bad('one of its checkpoints is of another stream');
	const chain = new ChainCheck(set.of(stream));
	const end = head?.sequence ?? 0;
	let last = 0;
	let reading = pageAfter(sql, stream, last, end);
	for (;;) {
		const page = await reading;
		if (page.length === 0) break;
		last = page.at(-1)!.sequence;
		// The next page is on its way while this one is looked at.
		reading = pageAfter(sql, stream, last, end);
		for (const row of page) {
			const problem = chain.take(row);
			const says = problem === undefined ? wrongColumn(row, chain.bodyDigest) : problem.says;
			if (says !== undefined) {
				await reading;
				return bad(`event ${problem?.sequence ?? row.sequence}: ${says}`);
			}
			events++;
		}
	}
	const cut = chain.end();
	if (cut !== undefined) return bad(`event ${cut.sequence}: ${cut.says}`);
	if (chain.sequence !== end) return bad(`event ${chain.sequence + 1}: missing; the stream's head says ${end}`);
	if (head !== undefined && chain.hash !== head.hash) return bad(`event ${end}: its hash is not the one of the stream's head`);
	const [beyond] = await sql.query<{ sequence: number }>(
		'SELECT e.sequence FROM events e WHERE e.stream = $1 AND e.sequence > coalesce((SELECT sequence FROM streams WHERE id = $1), 0) ORDER BY e.sequence LIMIT 1',
		[stream],
	);
	if (beyond !== undefined) return bad(`event ${beyond.sequence}: it lies beyond the stream's head`);
	return { events, unsigned: end - chain.signed, lastCheckpointMs: set.lastMs };
}

async function pageAfter(sql: Sql, stream: string, after: number, end: number): Promise<StoredEvent[]> {
	if (after >= end) return [];
	return sql.query<StoredEvent>(
		`SELECT e.sequence, e.admission, e.body, encode(e.hash, 'hex') AS hash, encode(e.digest, 'hex') AS digest, ROW(${COLUMNS})::text AS columns
		FROM events e WHERE e.stream = $1 AND e.sequence > $2 AND e.sequence <= $3 ORDER BY e.sequence LIMIT ${PAGE}`,
		[stream, after, end],
	);
}

/** The body has proved itself by its hash; what is searched for must say the same. */
function wrongColumn({ body, digest, columns }: StoredEvent, bodyDigest: string): string | undefined {
	if (digest !== bodyDigest) return 'its digest is not that of its body';
	const expected = columnsOf(JSON.parse(body) as TrailEvent);
	let text = '(';
	for (const name of NAMES) text += `${recordField(expected[name])},`;
	return columns === `${text.slice(0, -1)})` ? undefined : 'one of its columns says something else than its body';
}

/** A field as PostgreSQL writes it in a row: nothing for null, quoted where it has to be. */
function recordField(value: string | number | null): string {
	if (value === null) return '';
	if (typeof value === 'number') return String(value);
	return /^[^\s"(),\\]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '$&$&')}"`;
}
