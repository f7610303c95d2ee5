import { createHash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import type { JsonValue, TrailEvent } from '../domain.ts';

/** What can be searched for: each column says what the body says. */
export interface EventColumns {
	readonly id: string;
	readonly kind: string;
	readonly time_ms: number;
	readonly call_id: string | null;
	readonly decision_id: string | null;
	readonly intent_id: string | null;
	readonly approval_id: string | null;
	readonly principal: string | null;
	readonly agent: string | null;
	readonly session: string | null;
	readonly turn: string | null;
	readonly server: string | null;
	readonly tool: string | null;
	readonly decision: string | null;
	readonly outcome: string | null;
	readonly rule: string | null;
}

/** An event as `append_event`, `append_events` and `admit` take it; `digest` is the SHA-256 of the body in hex. */
export interface EventRow extends EventColumns {
	readonly body: string;
	readonly digest: string;
}

/** An index entry has to fit a page; the body holds the whole text. */
const MAX_COLUMN_CHARACTERS = 256;

export function eventRow(event: TrailEvent): EventRow {
	// Readonly interfaces don't match the index signature of JsonObject; the event is plain JSON all the same.
	const body = canonicalJson(event as unknown as JsonValue);
	return { ...columnsOf(event), body, digest: createHash('sha256').update(body).digest('hex') };
}

export function columnsOf(event: TrailEvent): EventColumns {
	return {
		id: event.id,
		kind: event.kind,
		time_ms: event.timeMs,
		call_id: column(event.callId),
		decision_id: column(event.decisionId),
		intent_id: column(event.intentId),
		approval_id: column(event.approvalId),
		principal: column(event.principal),
		agent: column(event.agent),
		session: column(event.session),
		turn: column(event.turn),
		server: column(event.server),
		tool: column(event.tool),
		decision: column(event.decision),
		outcome: column(event.outcome),
		rule: column(event.rule),
	};
}

/** A column that is searched for: storable, and not longer than an index bears. Filters pass through it too. */
export function column(text: string | undefined): string | null {
	return text === undefined ? null : storable(text.slice(0, MAX_COLUMN_CHARACTERS));
}

/** As the database can hold it: no NUL, no lone surrogates. */
export function storable(text: string): string {
	return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** JSON text as `jsonb` takes it: every string in it storable. */
export function storableJson(value: unknown): string {
	return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'string' ? storable(member) : member));
}
