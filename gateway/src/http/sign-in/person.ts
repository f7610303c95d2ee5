import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ToolGateError } from '../../errors.ts';
import { readCookie } from './cookies.ts';
import type { PeopleSessions } from './sessions.ts';

/** Who asks on the people listener. */
export interface Person {
	readonly id: string;
	readonly groups: readonly string[];
	/** May change how ToolGate is run: tokens, pins, policy, sign-in links. */
	readonly isOperator: boolean;
	/** How it asks: with the operator token, or signed in with a browser. */
	readonly via: 'operator' | 'inbox';
	/** What the browser keeps; absent with the operator token. */
	readonly session?: string;
}

declare module 'fastify' {
	interface FastifyRequest {
		/** Set on every request under `/api`. */
		person: Person;
	}
}

export interface IdentifyOptions {
	readonly operatorToken: string;
	/** Whom the operator token and the sign-in link stand for. */
	readonly operator: { readonly id: string; readonly groups: readonly string[] };
	readonly sessions: Pick<PeopleSessions, 'find'>;
	readonly cookieName: string;
	readonly groupsOf: (personId: string) => readonly string[];
}

/** Where the token of a signed-in person's write stands. */
export const CSRF_HEADER = 'x-csrf-token';

/** @throws {ToolGateError} UNAUTHENTICATED, CSRF_TOKEN. {StoreUnavailable} */
export type Identify = (request: FastifyRequest) => Promise<Person>;

/**
 * The operator token in `Authorization`, or else the session of a signed-in person. A browser sends its cookie by itself, whoever made it ask;
 * so a write with a cookie also has to show the token that only a page of this origin can read.
 */
export function identifier({ operatorToken, operator, sessions, cookieName, groupsOf }: IdentifyOptions): Identify {
	return async ({ headers, method }) => {
		const { authorization } = headers;
		if (authorization !== undefined) {
			const token = authorization.startsWith('Bearer ') ? authorization.slice(7) : '';
			if (!isSame(token, operatorToken))
				throw new ToolGateError('UNAUTHENTICATED', 'the operator token is wrong; it stands in operator.token of the data folder');
			return { ...operator, isOperator: true, via: 'operator' };
		}
		const session = readCookie(headers.cookie, cookieName);
		const found = session === undefined ? undefined : await sessions.find(session);
		if (session === undefined || found === undefined) {
			throw new ToolGateError(
				'UNAUTHENTICATED',
				`${session === undefined ? 'nobody is signed in' : 'the session has ended'}: sign in (toolgate sign-in prints a link), or send the operator token`,
			);
		}
		const shown = headers[CSRF_HEADER];
		if (method !== 'GET' && method !== 'HEAD' && !(typeof shown === 'string' && isSame(shown, csrfToken(session)))) {
			throw new ToolGateError(
				'CSRF_TOKEN',
				`a write of a signed-in person has to carry the token of the session in ${CSRF_HEADER}; GET /api/session tells it`,
			);
		}
		const groups = [...new Set([...groupsOf(found.personId), ...found.groups])];
		return { id: found.personId, groups, isOperator: found.personId.toLowerCase() === operator.id.toLowerCase(), via: 'inbox', session };
	};
}

/** Follows from the session, so that there is nothing more to keep; the session does not follow from it. */
export const csrfToken = (session: string): string => createHmac('sha256', session).update('csrf').digest('base64url');

/** Compared by digest, so that neither length nor prefix shows in the time it takes. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(sha256(a), sha256(b));
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** @throws {ToolGateError} FORBIDDEN_PERSON */
export async function demandOperator({ person }: FastifyRequest): Promise<void> {
	if (!person.isOperator) throw new ToolGateError('FORBIDDEN_PERSON', `only the operator may do this, and ${person.id} is not`);
}
