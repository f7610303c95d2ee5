import fastify, { type FastifyInstance } from 'fastify';
import { ToolGateError } from '../errors.ts';
import { guardAnswers, serveConsole } from './console.ts';
import { answerError } from './error-handler.ts';
import { guardHosts } from './host-guard.ts';
import { approvalRoutes, type ApprovalRoutesDeps } from './routes/approvals.ts';
import { type AuditExplorerDeps, auditExplorerRoutes } from './routes/audit-explorer.ts';
import { auditProofRoutes, type AuditProofRoutesDeps } from './routes/audit-proof.ts';
import { auditRoutes, type AuditRoutesDeps } from './routes/audit.ts';
import { budgetRoutes, type BudgetRoutesDeps } from './routes/budgets.ts';
import { operatorRoutes, type OperatorRoutesDeps } from './routes/operator.ts';
import { demandOperator, identifier, type IdentifyOptions, type Person } from './sign-in/person.ts';
import { sessionRoutes, type SignInDeps, signInRoutes } from './sign-in/routes.ts';

/** What `/readyz` says of one part; the gateway serves calls only when every part is ready. */
export interface PartState {
	readonly part: string;
	readonly isReady: boolean;
	/** Parts that only limit what can be called (an upstream) do not make the whole unready. */
	readonly isVital: boolean;
	readonly says: string;
}

export interface PeopleDeps
	extends Omit<ApprovalRoutesDeps, 'isSignedIn' | 'trail'>,
		Omit<AuditRoutesDeps, 'isSignedIn' | 'trail'>,
		Omit<AuditExplorerDeps, 'trail'>,
		AuditProofRoutesDeps,
		BudgetRoutesDeps,
		OperatorRoutesDeps,
		Omit<IdentifyOptions, 'sessions'>,
		Omit<SignInDeps, 'operator'> {
	readonly trail: AuditRoutesDeps['trail'] & AuditExplorerDeps['trail'];
	readonly allowedHosts: readonly string[];
	readonly boundHost: string;
	/** Folder of the built console. */
	readonly consoleFolder: string;
	readonly readiness: () => PartState[];
	/** Prometheus text. */
	readonly metrics: () => Promise<string>;
	readonly onFault: (error: unknown) => void;
}

/** The key of a budget stands in a path, and is longer than an id. */
const MAX_PARAMETER_CHARACTERS = 4_096;

/**
 * The listener for people: console, API, metrics, readiness. Not listening yet.
 * Every route under `/api` demands a signed-in person or the operator token; no credential of an agent opens it.
 */
export function buildPeopleListener(deps: PeopleDeps): FastifyInstance {
	const app = fastify({ bodyLimit: 65_536, forceCloseConnections: true, routerOptions: { maxParamLength: MAX_PARAMETER_CHARACTERS } });
	app.setErrorHandler((error, _request, reply) => answerError(error, reply, deps.onFault));
	app.setNotFoundHandler(() => {
		throw new ToolGateError('NOT_FOUND', 'nothing is here; the API is under /api');
	});
	// A form of another site can send text; JSON it can not.
	app.removeContentTypeParser('text/plain');
	guardAnswers(app);
	guardHosts(app, { allowedHosts: deps.allowedHosts, boundHost: deps.boundHost });

	app.get('/healthz', async () => ({ ok: true }));
	app.get('/readyz', async (_request, reply) => {
		const parts = deps.readiness();
		const isReady = parts.every((part) => part.isReady || !part.isVital);
		return reply.code(isReady ? 200 : 503).send({ isReady, parts });
	});
	app.get('/metrics', async (_request, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await deps.metrics()));
	signInRoutes(app, deps, serveConsole(app, deps.consoleFolder));

	const identify = identifier(deps);
	const isSignedIn = async (session: string): Promise<boolean> => (await deps.sessions.find(session, { isUse: false })) !== undefined;
	app.decorateRequest('person', null as unknown as Person);
	void app.register(
		async (api) => {
			api.addHook('onRequest', async (request) => {
				request.person = await identify(request);
			});
			sessionRoutes(api, deps);
			approvalRoutes(api, { ...deps, isSignedIn });
			auditRoutes(api, { ...deps, isSignedIn });
			auditExplorerRoutes(api, deps);
			auditProofRoutes(api, deps);
			void api.register(async (operators) => {
				operators.addHook('onRequest', demandOperator);
				operatorRoutes(operators, deps);
				budgetRoutes(operators, deps);
			});
		},
		{ prefix: '/api' },
	);
	return app;
}
