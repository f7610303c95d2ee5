import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ToolGateError } from '../errors.ts';
import type { McpEndpoint } from '../mcp/endpoint.ts';
import type { Exchange, Identity, PostAnswer } from '../mcp/exchange.ts';
import { onClosed } from '../on-closed.ts';
import type { Authenticate } from './authenticate.ts';
import { answerError } from './error-handler.ts';
import { FloodControl } from './flood-control.ts';
import { guardHosts } from './host-guard.ts';
import { demandJsonBody, demandSingleHeaders } from './request-guard.ts';

export interface AgentsDeps {
	/** The host this listener will bind. */
	readonly boundHost: string;
	readonly allowedHosts: readonly string[];
	readonly mcp: McpEndpoint;
	readonly hasUpstream: (name: string) => boolean;
	readonly authenticate: Authenticate;
	readonly limits: { readonly bodyBytes: number; readonly callsPerPrincipal: number };
	/** How slow a client may be. */
	readonly patience?: typeof PATIENCE;
	/** Routes that stand outside the guards of `/mcp`, each with a proof of its own: signed callbacks. */
	readonly callbacks?: (app: FastifyInstance) => void;
	readonly onFault: (error: unknown) => void;
}

/** With room for ten thousand calls that are held while people decide: those cost memory, and no time. */
const MAX_REQUESTS = 16_384;
const MAX_BODY_BYTES_AT_ONCE = 256 * 1024 * 1024;
/** Of one principal: a quarter of all, or two bodies where those may be that large. */
const MAX_OWN_BODY_BYTES_AT_ONCE = MAX_BODY_BYTES_AT_ONCE / 4;
/** A client that sends its headers or its whole request slower than this is cut off. */
const PATIENCE = { headersMs: 10_000, requestMs: 30_000, lookEveryMs: 2_000 };
const KEEP_ALIVE_MS = 72_000;
const CLOSE_IDLE_EVERY_MS = 50;

interface Admitted {
	readonly identity: Identity;
	readonly bodyRead: () => void;
	readonly done: () => void;
}

/**
 * The listener for agents; not listening yet. A request to `/mcp` passes, in this order: Host and Origin (403) → repeated headers (400)
 * → size (413) and type (415) → authentication (401) → flood control (429) → strict JSON (400) → its era's endpoint.
 */
export function buildAgentsListener(deps: AgentsDeps): FastifyInstance {
	const { headersMs, requestMs, lookEveryMs } = deps.patience ?? PATIENCE;
	const app = fastify({
		bodyLimit: deps.limits.bodyBytes,
		requestTimeout: requestMs,
		keepAliveTimeout: KEEP_ALIVE_MS,
		http: { headersTimeout: headersMs, connectionsCheckingInterval: lookEveryMs },
		forceCloseConnections: 'idle',
		exposeHeadRoutes: false,
		routerOptions: { maxParamLength: 64 },
	});
	app.setErrorHandler((error, _request, reply) => answerError(error, reply, deps.onFault));
	app.setNotFoundHandler(() => {
		throw new ToolGateError('NOT_FOUND', 'nothing is here; agents speak MCP at /mcp');
	});
	app.get('/healthz', async () => ({ ok: true }));
	if (deps.callbacks !== undefined) {
		const { callbacks } = deps;
		void app.register(async (scope) => callbacks(scope));
	}
	void app.register(async (scope) => mcpRoutes(scope, deps));
	app.addHook('preClose', async () => {
		// Answers under way go out first; connections that are kept alive after them would hold up the end.
		const closing = setInterval(() => app.server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
		app.server.once('close', () => clearInterval(closing));
		await deps.mcp.close();
	});
	return app;
}

function mcpRoutes(app: FastifyInstance, deps: AgentsDeps): void {
	const { mcp, limits } = deps;
	const flood = new FloodControl({
		requestsPerPrincipal: limits.callsPerPrincipal * 4,
		requests: MAX_REQUESTS,
		bodyBytesPerPrincipal: Math.max(MAX_OWN_BODY_BYTES_AT_ONCE, 2 * limits.bodyBytes),
		bodyBytes: MAX_BODY_BYTES_AT_ONCE,
	});
	const admitted = new WeakMap<FastifyRequest, Admitted>();

	app.setErrorHandler((error, _request, reply) => answerError(error, reply, deps.onFault, 'rpc'));
	app.removeAllContentTypeParsers();
	// The guard has looked at the type; the bytes are parsed by the endpoint, strictly and once.
	app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

	guardHosts(app, deps);
	app.addHook('onRequest', async (request, reply) => {
		demandSingleHeaders(request.raw.rawHeaders);
		const isPost = request.method === 'POST';
		if (isPost) demandJsonBody(request, limits.bodyBytes);
		const identity = await deps.authenticate(request.headers);
		if (!isPost) return void admitted.set(request, { identity, bodyRead: () => {}, done: () => {} });
		const entered = flood.enter(identity.principal.id, Number(request.headers['content-length'] ?? limits.bodyBytes));
		admitted.set(request, { identity, ...entered });
		// A body that breaks off never reaches the handler.
		onClosed(reply.raw, () => {
			if (!request.raw.complete) entered.done();
		});
	});
	app.addHook('onError', async (request) => admitted.get(request)?.done());

	const exchangeOf = (request: FastifyRequest, reply: FastifyReply): Exchange => {
		const { upstream } = request.params as { upstream?: string };
		if (upstream !== undefined && !deps.hasUpstream(upstream))
			throw new ToolGateError('NOT_FOUND', `there is no upstream ${JSON.stringify(upstream)}`);
		return {
			headers: request.headers,
			identity: (admitted.get(request) as Admitted).identity,
			upstream,
			openStream: () => {
				reply.hijack();
				return reply.raw;
			},
			onDisconnect: (listener) => {
				onClosed(reply.raw, () => {
					if (!reply.raw.writableFinished) listener();
				});
			},
		};
	};

	for (const path of ['/mcp', '/mcp/:upstream']) {
		app.post(path, async (request, reply) => {
			const entry = admitted.get(request) as Admitted;
			try {
				const answering = mcp.post((request.body as Buffer | undefined) ?? Buffer.alloc(0), exchangeOf(request, reply));
				entry.bodyRead();
				return send(reply, await answering);
			} finally {
				entry.done();
			}
		});
		app.get(path, async (request, reply) => send(reply, await mcp.get(exchangeOf(request, reply))));
		app.delete(path, async (request, reply) => send(reply, await mcp.delete(exchangeOf(request, reply))));
		app.route({
			url: path,
			method: ['PUT', 'PATCH', 'OPTIONS', 'HEAD'],
			handler: async (_request, reply) => {
				void reply.header('allow', 'POST, GET, DELETE');
				throw new ToolGateError('METHOD_NOT_ALLOWED', 'MCP is spoken with POST, GET and DELETE');
			},
		});
	}
}

function send(reply: FastifyReply, answer: PostAnswer): FastifyReply {
	if (answer === 'streamed') return reply;
	const { status, headers, body } = answer;
	void reply.code(status);
	if (headers !== undefined) void reply.headers(headers);
	return body === undefined ? reply.send() : reply.type('application/json').send(JSON.stringify(body));
}
