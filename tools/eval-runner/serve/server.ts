import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { root } from '../../demo/services.ts';
import type { PartName } from '../parts.ts';
import type { LarkMode } from '../suite.ts';
import type { Stage } from './stage.ts';

const FOLDER = join(root, 'ui/dist');
/** Stands in the built page wherever a nonce belongs. */
const NONCE_PLACE = '__CSP_NONCE__';
const TYPES: Readonly<Record<string, string>> = {
	'.css': 'text/css; charset=utf-8',
	'.js': 'text/javascript; charset=utf-8',
	'.svg': 'image/svg+xml',
};
const LARK_MODES: readonly LarkMode[] = ['approve', 'approve-once', 'reject', 'ignore'];
/** Many changes in a moment are told once. */
const GATHER_MS = 60;

/**
 * The eval page: `GET /`, and for it `GET /api/stream` (the whole view at every change), `POST /api/run {names}`, `/api/stop`, `/api/refresh`,
 * `/api/services/:name/:act` (stop, start), `/api/lark-mode {mode}`. For this machine only: a page of another origin can neither read nor act.
 */
export function buildEvalPage(stage: Stage): FastifyInstance {
	const app = fastify({ forceCloseConnections: true });
	app.addHook('onRequest', async (request, reply) => {
		void reply.headers({
			'x-content-type-options': 'nosniff',
			'x-frame-options': 'DENY',
			'referrer-policy': 'no-referrer',
			'cache-control': 'no-store',
		});
		// A name that another site has pointed here is not ours.
		if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(request.headers.host ?? ''))
			return reply.code(403).send({ error: 'only by the name localhost or 127.0.0.1' });
		const { origin } = request.headers;
		if (origin !== undefined && origin !== `http://${request.headers.host}`)
			return reply.code(403).send({ error: 'not from another page' });
		return undefined;
	});

	app.get('/', (_request, reply) => page(reply));
	app.get<{ Params: { name: string } }>('/assets/:name', (request, reply) => {
		const { name } = request.params;
		const file = join(FOLDER, 'assets', name);
		if (!/^[\w.-]+$/.test(name) || !existsSync(file)) return reply.code(404).send({ error: 'no such file' });
		return reply.type(TYPES[extname(name)] ?? 'application/octet-stream').send(readFileSync(file));
	});

	app.get('/api/stream', (request, reply) => {
		reply.hijack();
		reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
		let gathering: NodeJS.Timeout | undefined;
		const send = () => {
			gathering = undefined;
			reply.raw.write(`data: ${JSON.stringify(stage.view())}\n\n`);
		};
		const unwatch = stage.watch(() => (gathering ??= setTimeout(send, GATHER_MS)));
		send();
		void stage.refresh();
		request.raw.once('close', () => {
			unwatch();
			clearTimeout(gathering);
		});
	});
	app.post('/api/run', async (request, reply) => {
		const { names } = (request.body ?? {}) as { names?: unknown };
		const known = stage.view().cases.map(({ name }) => name);
		if (!Array.isArray(names) || names.length === 0 || !names.every((name) => known.includes(name as string)))
			return reply.code(400).send({ error: `names: expected some of ${known.join(', ')}` });
		stage.run(names as string[]);
		return {};
	});
	app.post('/api/stop', async () => {
		await stage.stop();
		return {};
	});
	app.post('/api/refresh', async () => {
		await stage.refresh();
		return {};
	});
	app.post<{ Params: { name: string; act: string } }>('/api/services/:name/:act', async ({ params: { name, act } }, reply) => {
		const switchable = stage.view().services.filter(({ isSwitchable }) => isSwitchable);
		if (!switchable.some((service) => service.name === name))
			return reply
				.code(404)
				.send({ error: `no service ${name} to stop or start; there are ${switchable.map((one) => one.name).join(', ')}` });
		if (act !== 'stop' && act !== 'start') return reply.code(404).send({ error: 'expected stop or start' });
		await stage.setService(name as PartName, act);
		return {};
	});
	app.post('/api/lark-mode', async (request, reply) => {
		const { mode } = (request.body ?? {}) as { mode?: LarkMode };
		if (mode === undefined || !LARK_MODES.includes(mode))
			return reply.code(400).send({ error: `mode: expected one of ${LARK_MODES.join(', ')}` });
		await stage.setLarkMode(mode);
		return {};
	});
	return app;
}

function page(reply: FastifyReply): FastifyReply {
	const nonce = randomBytes(16).toString('base64');
	const policy = `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
	return reply
		.header('content-security-policy', policy)
		.type('text/html; charset=utf-8')
		.send(readFileSync(join(FOLDER, 'evals.html'), 'utf8').replaceAll(NONCE_PLACE, nonce));
}
