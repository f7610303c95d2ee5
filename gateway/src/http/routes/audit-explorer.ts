import type { FastifyInstance } from 'fastify';
import type { CountOptions, CountsOverTime } from '../../audit/counts.ts';
import type { EntryPage } from '../../audit/entries.ts';
import type { RecordedEvent, TrailFilter } from '../../audit/trail.ts';
import { ToolGateError } from '../../errors.ts';
import { countOf, filterOf, type Query } from './audit.ts';

export interface AuditExplorerDeps {
	readonly trail: {
		/** Newest first. */
		entries(filter: TrailFilter, page: { limit: number; cursor?: string }): Promise<EntryPage>;
		event(stream: string, sequence: number): Promise<RecordedEvent | undefined>;
		counts(filter: TrailFilter, options: CountOptions): Promise<CountsOverTime>;
	};
	/** On the database's clock. */
	readonly nowMs: () => number;
}

/** What the audit explorer reads besides the events themselves. */
export function auditExplorerRoutes(api: FastifyInstance, { trail, nowMs }: AuditExplorerDeps): void {
	api.get<{ Querystring: Query }>('/audit/entries', async ({ query }) => {
		const filter = filterOf(query, ['limit', 'cursor']);
		const limit = countOf('limit', query['limit'], 100, 500);
		return {
			nowMs: nowMs(),
			...(await trail.entries(filter, { limit, ...(query['cursor'] === undefined ? {} : { cursor: query['cursor'] }) })),
		};
	});

	api.get<{ Querystring: Query }>('/audit/counts', async ({ query }) => {
		const filter = filterOf(query, ['by', 'bars']);
		const { by = 'verdict' } = query;
		if (by !== 'verdict' && by !== 'outcome') throw new ToolGateError('BAD_INPUT', 'by: expected verdict or outcome');
		return trail.counts(filter, { by, bars: Math.max(4, countOf('bars', query['bars'], 60, 500)) });
	});

	api.get<{ Params: { stream: string; sequence: string } }>('/audit/events/:stream/:sequence', async ({ params: { stream, sequence } }) => {
		const event = /^\d{1,15}$/.test(sequence) ? await trail.event(stream, Number(sequence)) : undefined;
		if (event === undefined) throw new ToolGateError('NOT_FOUND', `no event ${sequence.slice(0, 20)} of the stream ${stream.slice(0, 60)}`);
		return event;
	});
}
