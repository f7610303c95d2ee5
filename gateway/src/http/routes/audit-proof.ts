import type { FastifyInstance } from 'fastify';
import type { ProofStatus } from '../../audit/proof.ts';

export interface AuditProofRoutesDeps {
	readonly proof: { status(): Promise<ProofStatus> };
}

export function auditProofRoutes(api: FastifyInstance, { proof }: AuditProofRoutesDeps): void {
	api.get('/audit/proof', async () => proof.status());
}
