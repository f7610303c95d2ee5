import { createHash, timingSafeEqual } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { ToolGateError } from '../errors.ts';
import { answerError } from './error-handler.ts';
import { approvalRoutes, type ApprovalRoutesDeps } from './routes/approvals.ts';
import { auditRoutes, type AuditRoutesDeps } from './routes/audit.ts';
import { operatorRoutes, type OperatorRoutesDeps } from './routes/operator.ts';
import { guardHosts } from './host-guard.ts';

/** What `/readyz` says of one part; the gateway serves calls only when every part is ready. */
export interface PartState {
	readonly part: string;
	readonly isReady: boolean;
	/** Parts that only limit what can be called (an upstream) do not make the whole unready. */
	readonly isVital: boolean;
	readonly says: string;
}

export interface PeopleDeps extends ApprovalRoutesDeps, AuditRoutesDeps, OperatorRoutesDeps {
	readonly operatorToken: string;
	readonly allowedHosts: readonly string[];
	readonly boundHost: string;
	readonly readiness: () => PartState[];
	/** Prometheus text. */
	readonly metrics: () => Promise<string>;
	readonly onFault: (error: unknown) => void;
}

/**
 * The listener for people: API, metrics, readiness. Not listening yet.
 * Every route under `/api` demands the operator token; no credential of an agent opens it.
 */
export function buildPeopleListener(deps: PeopleDeps): FastifyInstance {
	const app = fastify({ bodyLimit: 65_536, forceCloseConnections: true, routerOptions: { maxParamLength: 512 } });
	app.setErrorHandler((error, _request, reply) => answerError(error, reply, deps.onFault));
	app.setNotFoundHandler(() => {
		throw new ToolGateError('NOT_FOUND', 'nothing is here; the API is under /api');
	});
	guardHosts(app, { allowedHosts: deps.allowedHosts, boundHost: deps.boundHost });

	app.get('/healthz', async () => ({ ok: true }));
	app.get('/readyz', async (_request, reply) => {
		const parts = deps.readiness();
		const isReady = parts.every((part) => part.isReady || !part.isVital);
		return reply.code(isReady ? 200 : 503).send({ isReady, parts });
	});
	app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await deps.metrics()));

	void app.register(
		async (api) => {
			api.addHook('onRequest', async (request) => demandOperator(request, deps.operatorToken));
			approvalRoutes(api, deps);
			auditRoutes(api, deps);
			operatorRoutes(api, deps);
		},
		{ prefix: '/api' },
	);
	return app;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compared by digest, so that neither length nor prefix shows in the time it takes. */
function demandOperator(request: FastifyRequest, operatorToken: string): void {
	const { authorization } = request.headers;
	const token = authorization?.startsWith('Bearer ') ? authorization.slice(7) : '';
	if (!timingSafeEqual(sha256(token), sha256(operatorToken))) {
		throw new ToolGateError('UNAUTHENTICATED', 'the operator token is missing or wrong; it stands in operator.token of the data folder');
	}
}
