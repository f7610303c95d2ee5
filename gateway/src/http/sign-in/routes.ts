import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { JsonObject } from '../../domain.ts';
import type { Keys } from '../../keys.ts';
import { fields } from '../routes/fields.ts';
import { cookieLine, readCookie } from './cookies.ts';
import { type Oidc, type SignInProblem, type Transaction, whyOf } from './oidc.ts';
import { csrfToken, demandOperator } from './person.ts';
import { LINK_MINUTES, type PeopleSessions, type SignedIn } from './sessions.ts';

export interface SignInDeps {
	readonly sessions: PeopleSessions;
	readonly cookieName: string;
	readonly operator: { readonly id: string };
	/** Absent where none is configured. */
	readonly oidc?: Oidc;
	readonly keys: Pick<Keys, 'seal' | 'open'>;
	/** Where people reach this listener, when the configuration says (`approvals.url`); otherwise as the browser names it. */
	readonly publicUrl?: string;
	/** Records what happened, before it is answered. */
	readonly recordAct: (act: { what: string; message: string; detail: JsonObject; by?: string }) => Promise<void>;
	readonly nowMs: () => number;
	/** What operators want to know as it happens, one sentence. */
	readonly onNews: (text: string) => void;
}

const TRANSACTION_CONTEXT = 'oidc transaction';

/** How a browser comes in and what it is told of itself. `pages` answers with the console. */
export function signInRoutes(app: FastifyInstance, deps: SignInDeps, page: (reply: FastifyReply) => FastifyReply): void {
	const { sessions, cookieName, oidc, keys, publicUrl, recordAct, nowMs, onNews } = deps;
	const transactionCookie = `${cookieName}_oidc`;
	const isSecure = publicUrl?.startsWith('https:') ?? false;
	const originOf = ({ headers }: FastifyRequest): string =>
		publicUrl === undefined ? `http://${headers.host}` : new URL(publicUrl).origin;
	const failed = (reply: FastifyReply, problem: SignInProblem) => reply.redirect(`/sign-in?problem=${problem}`, 303);

	async function signIn(reply: FastifyReply, who: SignedIn, how: string, to: string): Promise<FastifyReply> {
		await recordAct({ what: 'signed in', message: `${who.personId} by ${how}`, detail: { by: who.personId, how }, by: who.personId });
		const secret = await sessions.open(who);
		return reply.header('set-cookie', cookieLine(cookieName, secret, { path: '/api', sameSite: 'Strict', isSecure })).redirect(to, 303);
	}

	app.get<{ Querystring: { code?: string } }>('/sign-in', { exposeHeadRoute: false }, async ({ query }, reply) => {
		if (typeof query.code !== 'string') return page(reply);
		const personId = await sessions.takeLink(query.code);
		return personId === undefined ? failed(reply, 'link') : signIn(reply, { personId, groups: [] }, 'link', '/');
	});
	app.get('/sign-in/options', async () => ({ oidc: oidc !== undefined }));

	if (oidc !== undefined) {
		const cookie = { path: '/sign-in', sameSite: 'Lax', isSecure } as const;
		app.get<{ Querystring: { to?: string } }>('/sign-in/oidc', { exposeHeadRoute: false }, async (request, reply) => {
			try {
				const { url, transaction } = await oidc.begin(`${originOf(request)}/sign-in/oidc/callback`, localPath(request.query.to), nowMs());
				const sealed = Buffer.from(keys.seal(Buffer.from(JSON.stringify(transaction)), TRANSACTION_CONTEXT)).toString('base64url');
				return reply.header('set-cookie', cookieLine(transactionCookie, sealed, cookie)).redirect(url, 303);
			} catch (error) {
				onNews(`signIn.oidc: the provider can not be reached: ${whyOf(error)}`);
				return failed(reply, 'provider');
			}
		});
		app.get('/sign-in/oidc/callback', { exposeHeadRoute: false }, async (request, reply) => {
			const sealed = readCookie(request.headers.cookie, transactionCookie);
			const plain = sealed === undefined ? undefined : keys.open(Buffer.from(sealed, 'base64url'), TRANSACTION_CONTEXT);
			void reply.header('set-cookie', cookieLine(transactionCookie, '', { ...cookie, maxAgeSeconds: 0 }));
			if (plain === undefined) return failed(reply, 'expired');
			const transaction = JSON.parse(Buffer.from(plain).toString('utf8')) as Transaction;
			const end = await oidc.complete(new URL(request.url, originOf(request)), transaction, nowMs());
			if (end.kind === 'signed in') return signIn(reply, end.who, 'oidc', transaction.to);
			const { problem, why, personId } = end;
			onNews(`signIn.oidc: ${why}`);
			if (personId !== undefined)
				await recordAct({
					what: 'sign-in refused',
					message: `${personId}: ${why}`,
					detail: { by: personId, how: 'oidc', why },
					by: personId,
				});
			return failed(reply, problem);
		});
	}
}

/** What a browser may ask about itself, under `/api`. */
export function sessionRoutes(api: FastifyInstance, { sessions, cookieName, operator, publicUrl, recordAct }: SignInDeps): void {
	const isSecure = publicUrl?.startsWith('https:') ?? false;

	api.get('/session', async ({ person: { id, groups, isOperator, session } }) => ({
		person: { id, groups, isOperator },
		...(session === undefined ? {} : { csrfToken: csrfToken(session) }),
	}));

	api.delete('/session', async ({ person }, reply) => {
		if (person.session !== undefined) await sessions.end(person.session);
		return reply
			.header('set-cookie', cookieLine(cookieName, '', { path: '/api', sameSite: 'Strict', isSecure, maxAgeSeconds: 0 }))
			.code(204)
			.send();
	});

	/** A link for whoever holds the operator token; `path` belongs behind the address of this listener. */
	api.post('/sign-in-links', { onRequest: demandOperator }, async ({ body }) => {
		fields(body, []);
		await recordAct({
			what: 'sign-in link made',
			message: `for ${operator.id}, valid ${LINK_MINUTES} minutes`,
			detail: { for: operator.id },
		});
		const { code, expiresAtMs } = await sessions.createLink(operator.id);
		return { path: `/sign-in?code=${code}`, expiresAtMs };
	});
}

/** A path of this listener, and never of another host: `//evil` and `/\evil` lead there. */
function localPath(to: string | undefined): string {
	return typeof to === 'string' && /^\/(?![/\\])[\x21-\x7e]*$/.test(to) && !to.startsWith('/sign-in') ? to : '/';
}
