import { createHash } from 'node:crypto';
import { canonicalJson } from '../canonical-json.ts';
import { changedPaths } from '../changed-paths.ts';
import type { Conceal } from '../conceal.ts';
import type { JsonObject, JsonValue, TrailEvent } from '../domain.ts';
import { hasSecret } from '../known-patterns.ts';

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

/** @param conceal takes out secrets, wherever in the event they stand; `detail.concealed` then says where */
export function eventRow(event: TrailEvent, conceal: Conceal): EventRow {
	// Readonly interfaces don't match the index signature of JsonObject; the event is plain JSON all the same.
	const body = canonicalJson(event as unknown as JsonValue);
	// One look at the whole text: nearly no event has a secret.
	return hasSecret(body) ? concealedRow(event as unknown as JsonObject, conceal) : rowOf(event, body);
}

function concealedRow(event: JsonObject, conceal: Conceal): EventRow {
	const clean = conceal.value(event);
	const concealed = changedPaths(event, clean);
	const told = { ...clean, detail: { ...(clean['detail'] as JsonObject | undefined), concealed } };
	return rowOf(told as unknown as TrailEvent, canonicalJson(told));
}

function rowOf(event: TrailEvent, body: string): EventRow {
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
