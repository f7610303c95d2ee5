import type { JsonValue } from '../domain.ts';
import type { Sql } from '../store/sql.ts';
import type { TrailFilter } from './filter.ts';
import { wordOf } from './lines.ts';
import { type EventRecord, RECORD_COLUMNS, type RecordedEvent, recordedEvent } from './recorded-event.ts';
import { traceWords } from './trace.ts';
import type { EventPage } from './trail.ts';

/** A line of the trail as a person reads it: one call as a whole, or an event that is about none. */
export interface Entry {
	/** Of the newest event that fits; the place of the line among the others. */
	readonly timeMs: number;
	readonly stream: string;
	readonly sequence: number;
	readonly kind: RecordedEvent['kind'];
	readonly callId?: string;
	/** Of the call: `approvalRequired → approved → ok`; of another event its one word. */
	readonly words: readonly string[];
	/** Sent upstream, and nothing has come of it yet. */
	readonly isRunning: boolean;
	readonly principal?: string;
	readonly agent?: string;
	readonly server?: string;
	readonly tool?: string;
	readonly session?: string;
	readonly turn?: string;
	readonly rule?: string;
	readonly message?: string;
	/** From the agent's request to its answer. */
	readonly durationMs?: number;
}

export interface EntryPage {
	/** Newest first. */
	readonly entries: Entry[];
	/** As of the events: given, there may be more, even where this page has none. */
	readonly next?: string;
}

/** Of all calls of a page together. A call has a handful. */
const MAX_OF_CALLS = 5_000;
const MAX_MESSAGE_CHARACTERS = 300;

/** A page of events as entries: each call once, with everything that became of it, whichever of its events fit. */
export async function readEntries(
	sql: Sql,
	search: (filter: TrailFilter, page: { readonly limit: number; readonly cursor?: string }) => Promise<EventPage>,
	filter: TrailFilter,
	page: { readonly limit: number; readonly cursor?: string },
): Promise<EntryPage> {
	const { events, next } = await search(filter, page);
	const callIds = [...new Set(events.flatMap(({ callId }) => callId ?? []))];
	const byCall = await callsOf(sql, callIds);
	const entries: Entry[] = [];
	const told = new Set<string>();
	for (const event of events) {
		const { callId } = event;
		if (callId !== undefined && told.has(callId)) continue;
		if (callId !== undefined) told.add(callId);
		entries.push(entryOf(event, callId === undefined ? [event] : (byCall.get(callId) ?? [event])));
	}
	return next === undefined ? { entries } : { entries, next };
}

/** @param all events of its call, oldest first */
function entryOf(newest: RecordedEvent, all: readonly RecordedEvent[]): Entry {
	const { timeMs, stream, sequence, kind, callId, principal, agent, session, turn } = newest;
	const words: readonly string[] = callId === undefined ? [] : traceWords(all);
	const named = all.find(({ tool }) => tool !== undefined);
	const rule = all.findLast((event) => event.rule !== undefined)?.rule;
	const message = all.findLast((event) => event.message !== undefined)?.message ?? overspent(all);
	const durationMs = all.findLast(({ detail }) => isNumber(detail?.['durationMs']))?.detail?.['durationMs'];
	const ended = new Set(all.flatMap((event) => (event.kind === 'outcome' ? (event.intentId ?? []) : [])));
	return {
		timeMs,
		stream,
		sequence,
		kind,
		words: words.length > 0 ? words : [wordOf(newest)],
		isRunning: all.some((event) => event.kind === 'intent' && event.admission === 'granted' && !ended.has(event.intentId ?? '')),
		...present({
			callId,
			principal: principal ?? named?.principal,
			agent: agent ?? named?.agent,
			server: named?.server,
			tool: named?.tool,
			session,
			turn,
			rule,
			message: message?.slice(0, MAX_MESSAGE_CHARACTERS),
		}),
		...(isNumber(durationMs) ? { durationMs } : {}),
	};
}

/** An intent that budgets refused says only what it asked of them. */
function overspent(all: readonly RecordedEvent[]): string | undefined {
	const reservations = all.findLast(({ admission }) => admission === 'budgetExceeded')?.detail?.['reservations'];
	if (!Array.isArray(reservations)) return undefined;
	const rules = reservations.map((one) => (typeof one === 'object' && one !== null && !Array.isArray(one) ? one['rule'] : undefined));
	return `asked of the budgets ${rules.filter((rule) => typeof rule === 'string').join(', ')}`;
}

async function callsOf(sql: Sql, callIds: readonly string[]): Promise<Map<string | undefined, RecordedEvent[]>> {
	if (callIds.length === 0) return new Map();
	const rows = await sql.query<EventRecord>(
		`SELECT ${RECORD_COLUMNS} FROM events e WHERE e.call_id = ANY($1) ORDER BY e.time_ms, e.stream, e.sequence LIMIT ${MAX_OF_CALLS}`,
		[callIds],
	);
	return Map.groupBy(rows.map(recordedEvent), ({ callId }) => callId);
}

const isNumber = (value: JsonValue | undefined): value is number => typeof value === 'number';

/** Without what is absent: absent fields are never null or undefined in an answer. */
function present<T extends object>(fields: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
		[Name in keyof T]?: NonNullable<T[Name]>;
	};
}
