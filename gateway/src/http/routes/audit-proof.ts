import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ProofStatus } from '../../audit/proof.ts';
import type { ExportFormat, TrailFilter } from '../../audit/trail.ts';
import { ToolGateError } from '../../errors.ts';
import type { Recheck } from '../../recheck.ts';
import { filterOf, type Query } from './audit.ts';

export interface AuditProofRoutesDeps {
	readonly proof: {
		status(): Promise<ProofStatus>;
		/** Pieces of text; without a filter the whole trail. */
		export(options: { format: ExportFormat; filter?: TrailFilter }): AsyncIterable<string>;
	};
	/** The decision, decided again under the active bundle; undefined when the trail has none of that id. */
	readonly recheck: (decisionId: string) => Promise<Recheck | undefined>;
}

const TYPES: Readonly<Record<ExportFormat, string>> = { jsonl: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

/** What takes the trail out of the gateway, and proves it. */
export function auditProofRoutes(api: FastifyInstance, { proof, recheck }: AuditProofRoutesDeps): void {
	api.get('/audit/proof', async () => proof.status());

	api.get<{ Params: { decisionId: string } }>('/audit/recheck/:decisionId', async ({ params }) => {
		const answer = await recheck(params.decisionId);
		if (answer === undefined) throw new ToolGateError('NOT_FOUND', `no decision ${params.decisionId} in the trail`);
		return answer;
	});

	api.get<{ Querystring: Query }>('/audit/export', async ({ query }, reply) => {
		const { format = 'jsonl', ...filters } = query;
		if (format !== 'jsonl' && format !== 'csv') throw new ToolGateError('BAD_INPUT', 'format: expected jsonl or csv');
		const filter = filterOf(filters, []);
		const isWhole = Object.keys(filter).length === 0;
		return reply
			.type(TYPES[format])
			.header('content-disposition', `attachment; filename="audit-trail.${format}"`)
			.send(Readable.from(proof.export({ format, ...(isWhole ? {} : { filter }) }), { objectMode: false }));
	});
}
