import { createHash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonValue, TrailEvent } from '../domain.ts';
import { columnsOf, type EventColumns } from '../store/event-row.ts';
import type { Sql } from '../store/sql.ts';
import { type EventRecord, RECORD_COLUMNS } from './recorded-event.ts';

export interface VerifyReport {
	readonly isIntact: boolean;
	readonly streams: number;
	/** Events looked at, up to the first bad one. */
	readonly events: number;
	/** The first bad event and what is wrong with it. */
	readonly problem?: string;
	/** What the database promises about events that were acknowledged. */
	readonly durability: string;
}

const PAGE = 1_000;

type StoredEvent = EventRecord & EventColumns & { digest: Uint8Array };

/** Recomputes every stream from the bodies: sequence, digests, hashes, columns and the head. Events that arrive meanwhile are left for the next time. */
export async function verifyTrail(sql: Sql): Promise<VerifyReport> {
	const durability =
		sql.driver === 'pglite'
			? 'the embedded database keeps what was acknowledged when the process dies, not through a power failure'
			: 'PostgreSQL keeps what was acknowledged as its own settings say';
	const heads = await sql.query<{ id: string; sequence: number; hash: Uint8Array }>(
		'SELECT id, sequence, hash FROM streams ORDER BY id',
		[],
	);
	let events = 0;
	for (const { id, sequence, hash } of heads) {
		const checked = await verifyStream(sql, id, sequence, Buffer.from(hash));
		events += checked.events;
		if (checked.problem !== undefined)
			return { isIntact: false, streams: heads.length, events, problem: `stream ${id}, ${checked.problem}`, durability };
	}
	const [stray] = await sql.query<{ stream: string; sequence: number }>(
		`SELECT e.stream, e.sequence FROM events e LEFT JOIN streams s ON s.id = e.stream WHERE s.id IS NULL LIMIT 1`,
		[],
	);
	if (stray !== undefined)
		return {
			isIntact: false,
			streams: heads.length,
			events,
			problem: `stream ${stray.stream}, event ${stray.sequence}: the stream has no head`,
			durability,
		};
	return { isIntact: true, streams: heads.length, events, durability };
}

async function verifyStream(sql: Sql, stream: string, end: number, headHash: Buffer): Promise<{ events: number; problem?: string }> {
	let previous: Buffer = Buffer.alloc(32);
	let last = 0;
	while (last < end) {
		const page = await sql.query<StoredEvent>(
			`SELECT ${RECORD_COLUMNS}, e.digest, e.id, e.kind, e.time_ms, e.call_id, e.decision_id, e.intent_id, e.approval_id, e.principal, e.agent,
				e.session, e.turn, e.server, e.tool, e.decision, e.outcome, e.rule
			FROM events e WHERE e.stream = $1 AND e.sequence > $2 AND e.sequence <= $3 ORDER BY e.sequence LIMIT ${PAGE}`,
			[stream, last, end],
		);
		for (const row of page) {
			const hash = nextHash(previous, row);
			const wrong = row.sequence === last + 1 ? wrongIn(row, hash) : `missing; the next is ${row.sequence}`;
			if (wrong !== undefined) return { events: last, problem: `event ${last + 1}: ${wrong}` };
			previous = hash;
			last = row.sequence;
		}
		if (page.length === 0) return { events: last, problem: `event ${last + 1}: missing; the stream's head says ${end}` };
	}
	if (!previous.equals(headHash)) return { events: last, problem: `event ${last}: its hash is not the one of the stream's head` };
	const [beyond] = await sql.query(
		'SELECT FROM events e WHERE e.stream = $1 AND e.sequence > (SELECT sequence FROM streams WHERE id = $1) LIMIT 1',
		[stream],
	);
	return beyond === undefined ? { events: last } : { events: last, problem: `event ${last + 1}: it lies beyond the stream's head` };
}

/** SHA-256(previous hash ‖ SHA-256 of the body ‖ admission word). */
function nextHash(previous: Buffer, { body, admission }: StoredEvent): Buffer {
	return createHash('sha256').update(previous).update(createHash('sha256').update(body).digest()).update(admission).digest();
}

function wrongIn(row: StoredEvent, hash: Buffer): string | undefined {
	if (!hash.equals(row.hash)) return 'its hash does not follow from its body, its admission word and the event before';
	if (!createHash('sha256').update(row.body).digest().equals(row.digest)) return 'its digest is not that of its body';
	let event: TrailEvent;
	try {
		const parsed = JSON.parse(row.body) as JsonValue;
		if (canonicalJson(parsed) !== row.body) return 'its body is not canonical JSON';
		event = parsed as unknown as TrailEvent;
	} catch {
		return 'its body is not JSON';
	}
	const wrong = Object.entries(columnsOf(event)).find(([name, value]) => row[name] !== value);
	return wrong === undefined ? undefined : `the column ${wrong[0]} says something else than its body`;
}
