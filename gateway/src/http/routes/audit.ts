import type { FastifyInstance } from 'fastify';
import { traceWords } from '../../audit/trace.ts';
import type { EventPage, RecordedEvent, TrailFilter, VerifyReport } from '../../audit/trail.ts';
import { ToolGateError } from '../../errors.ts';
import { sendEvents, type ServerSentEvent } from '../server-sent-events.ts';

export interface AuditRoutesDeps {
	readonly trail: {
		/** Newest first. */
		search(filter: TrailFilter, page: { limit: number; cursor?: string }): Promise<EventPage>;
		call(callId: string): Promise<RecordedEvent[]>;
		/** The last `last` events, then each new one, until `signal` fires. */
		tail(filter: TrailFilter, options: { last: number; signal: AbortSignal }): AsyncIterable<RecordedEvent>;
		verify(): Promise<VerifyReport>;
	};
	/** The session of the person has not ended. */
	readonly isSignedIn: (session: string) => Promise<boolean>;
}

export type Query = Readonly<Record<string, string | undefined>>;

const TEXT_FILTERS = ['principal', 'agent', 'tool', 'server', 'decision', 'outcome', 'rule', 'session', 'turn', 'kind', 'text'] as const;

/** @throws {ToolGateError} BAD_INPUT naming the filter */
export function filterOf(query: Query, alsoKnown: readonly string[]): TrailFilter {
	const known = [...TEXT_FILTERS, 'call', 'decisionId', 'since', 'until', ...alsoKnown];
	const unknown = Object.keys(query).find((name) => !known.includes(name));
	if (unknown !== undefined) throw new ToolGateError('BAD_INPUT', `${unknown}: unknown filter; expected one of ${known.join(', ')}`);
	const filter: Record<string, string | number> = {};
	for (const name of TEXT_FILTERS) if (query[name] !== undefined) filter[name] = query[name];
	if (query['call'] !== undefined) filter['callId'] = query['call'];
	if (query['decisionId'] !== undefined) filter['decisionId'] = query['decisionId'];
	for (const [name, field] of [
		['since', 'sinceMs'],
		['until', 'untilMs'],
	] as const) {
		if (query[name] !== undefined) filter[field] = timeOf(name, query[name]);
	}
	return filter;
}

/** ISO 8601, or how long ago: 15m, 2h, 7d. */
function timeOf(name: string, text: string): number {
	const ago = /^(\d{1,6})([smhd])$/.exec(text);
	if (ago) return Date.now() - Number(ago[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[ago[2] as 's' | 'm' | 'h' | 'd'];
	const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
	if (Number.isNaN(ms)) throw new ToolGateError('BAD_INPUT', `${name}: expected a time such as 2026-11-24T10:00:00Z, or 15m, 2h, 7d`);
	return ms;
}

export function countOf(name: string, text: string | undefined, fallback: number, max: number): number {
	if (text === undefined) return fallback;
	const count = /^\d+$/.test(text) ? Number(text) : -1;
	if (count < 0 || count > max) throw new ToolGateError('BAD_INPUT', `${name}: expected a whole number from 0 to ${max}`);
	return count;
}

export function auditRoutes(api: FastifyInstance, { trail, isSignedIn }: AuditRoutesDeps): void {
	api.get<{ Querystring: Query }>('/audit', async ({ query }) => {
		const filter = filterOf(query, ['limit', 'cursor']);
		return trail.search(filter, {
			limit: countOf('limit', query['limit'], 50, 1000),
			...(query['cursor'] === undefined ? {} : { cursor: query['cursor'] }),
		});
	});

	api.get<{ Params: { callId: string } }>('/audit/calls/:callId', async ({ params }) => {
		const events = await trail.call(params.callId);
		return { events, words: traceWords(events) };
	});

	api.get('/audit/verify', async () => trail.verify());

	api.get<{ Querystring: Query }>('/audit/tail', async ({ query, person }, reply) => {
		const filter = filterOf(query, ['last']);
		const last = countOf('last', query['last'], 0, 1000);
		const stop = new AbortController();
		const { session } = person;
		await sendEvents(
			reply,
			asEvents(trail.tail(filter, { last, signal: stop.signal })),
			stop,
			async () => session === undefined || isSignedIn(session),
		);
	});
}

async function* asEvents(events: AsyncIterable<RecordedEvent>): AsyncGenerator<ServerSentEvent> {
	for await (const data of events) yield { data };
}
