import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ToolGateError } from '../errors.ts';

/** Where the build of `ui/` puts the console. */
export const CONSOLE_FOLDER = join(import.meta.dirname, '../../../ui/dist');
/** Stands in the built page wherever a nonce belongs (`html.cspNonce` of its build). */
const NONCE_PLACE = '__CSP_NONCE__';
/** Addresses that the console itself tells apart; any other is not found. */
const CLIENT_ROUTES = ['/', '/approvals', '/approvals/:id', '/audit', '/audit/calls/:id', '/audit/events/:stream/:sequence', '/budgets'];

const TYPES: Readonly<Record<string, string>> = {
	'.css': 'text/css; charset=utf-8',
	'.js': 'text/javascript; charset=utf-8',
	'.svg': 'image/svg+xml',
	'.woff2': 'font/woff2',
};

/** What every answer of the people listener carries: nothing may frame it, guess its type, or run in it. */
export function guardAnswers(app: FastifyInstance): void {
	app.addHook('onRequest', async (_request, reply) => {
		void reply.headers({
			'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
			'x-content-type-options': 'nosniff',
			'x-frame-options': 'DENY',
			'referrer-policy': 'same-origin',
			'cross-origin-opener-policy': 'same-origin',
			'cross-origin-resource-policy': 'same-origin',
			'cache-control': 'no-store',
		});
	});
}

interface Asset {
	readonly type: string;
	readonly bytes: Buffer;
	readonly zipped: () => Buffer;
}

/**
 * The console: its built files, read once. The names of assets hold their digests, so they may be kept for ever; the page itself is made
 * anew for each request, because its nonce lets exactly its own `<style>` elements pass.
 * @returns answers with the page
 */
export function serveConsole(app: FastifyInstance, folder: string): (reply: FastifyReply) => FastifyReply {
	const pageFile = join(folder, 'console.html');
	const html = existsSync(pageFile) ? readFileSync(pageFile, 'utf8') : undefined;
	const assets = html === undefined ? new Map<string, Asset>() : readAssets(join(folder, 'assets'));

	const page = (reply: FastifyReply): FastifyReply => {
		if (html === undefined)
			return reply
				.code(503)
				.type('text/plain; charset=utf-8')
				.send('The console is not built: npm run ui:build, and start ToolGate again. The API works without it.\n');
		const nonce = randomBytes(16).toString('base64');
		return reply
			.header('content-security-policy', pagePolicy(nonce))
			.type('text/html; charset=utf-8')
			.send(html.replaceAll(NONCE_PLACE, nonce));
	};
	for (const route of CLIENT_ROUTES) app.get(route, async (_request, reply) => page(reply));

	app.get<{ Params: { name: string } }>('/assets/:name', async ({ params, headers }, reply) => {
		const asset = assets.get(params.name);
		if (asset === undefined) throw new ToolGateError('NOT_FOUND', 'no such file of the console; load the page again');
		void reply.headers({ 'content-type': asset.type, 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding' });
		return /\bgzip\b/.test(headers['accept-encoding'] ?? '')
			? reply.header('content-encoding', 'gzip').send(asset.zipped())
			: reply.send(asset.bytes);
	});
	return page;
}

/** Scripts and requests of this origin only; no inline script at all. */
const pagePolicy = (nonce: string): string =>
	[
		"default-src 'none'",
		"script-src 'self'",
		`style-src 'self' 'nonce-${nonce}'`,
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	].join('; ');

/** By name; a name that is not among them reaches no file, whatever it looks like. */
function readAssets(folder: string): Map<string, Asset> {
	return new Map(
		readdirSync(folder).map((name) => {
			const bytes = readFileSync(join(folder, name));
			let zipped: Buffer | undefined;
			return [name, { type: TYPES[extname(name)] ?? 'application/octet-stream', bytes, zipped: () => (zipped ??= gzipSync(bytes)) }];
		}),
	);
}
