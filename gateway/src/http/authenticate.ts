import type { IncomingHttpHeaders } from 'node:http';
import type { Agent } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import type { Identity } from '../mcp/exchange.ts';
import { hashOfToken, type TokenHolder } from './tokens.ts';

export interface AuthenticateOptions {
	/** `none` believes the X-ToolGate headers: only on loopback, or where the operator allowed it in as many words. */
	readonly mode: 'none' | 'token';
	/** Who calls under `none` when no header says. */
	readonly fallback: { readonly principal: string; readonly agent: string };
	readonly groupsOf: (principalId: string) => readonly string[];
	/** @throws {StoreUnavailable} */
	readonly findToken: (hash: Uint8Array) => Promise<TokenHolder | undefined>;
	readonly nowMs: () => number;
}

/** A found token is believed this long: a revoked one is refused within a second. */
const TOKEN_CACHE_MS = 1_000;
const MAX_CACHED_TOKENS = 1_000;
const MAX_IDENTITY_CHARACTERS = 320;

/** @throws {ToolGateError} UNAUTHENTICATED; INVALID_REQUEST for a header that names nobody. {StoreUnavailable} */
export type Authenticate = (headers: IncomingHttpHeaders) => Promise<Identity>;

export function authenticator({ mode, fallback, groupsOf, findToken, nowMs }: AuthenticateOptions): Authenticate {
	const identify = (principalId: string, agent: Agent): Identity => ({
		principal: { id: principalId, kind: 'user', groups: groupsOf(principalId), claims: {} },
		agent,
	});

	if (mode === 'none') {
		return async (headers) => {
			const version = identityHeader(headers, 'x-toolgate-agent-version');
			return identify(identityHeader(headers, 'x-toolgate-principal') ?? fallback.principal, {
				id: identityHeader(headers, 'x-toolgate-agent-id') ?? fallback.agent,
				...(version === undefined ? {} : { version }),
			});
		};
	}

	const cache = new Map<string, { holder: TokenHolder; untilMs: number }>();
	return async (headers) => {
		const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
		const hash = token === undefined ? undefined : hashOfToken(token);
		if (hash === undefined) throw new ToolGateError('UNAUTHENTICATED', 'a token is needed: send Authorization: Bearer tg_…');
		const key = Buffer.from(hash).toString('base64');
		const now = nowMs();
		let holder = cache.get(key);
		if (holder === undefined || holder.untilMs <= now) {
			cache.delete(key);
			const found = await findToken(hash);
			if (found === undefined) throw new ToolGateError('UNAUTHENTICATED', 'the token is unknown or was revoked');
			if (cache.size >= MAX_CACHED_TOKENS) cache.delete(cache.keys().next().value as string);
			holder = { holder: found, untilMs: now + TOKEN_CACHE_MS };
			cache.set(key, holder);
		}
		return identify(holder.holder.principal, { id: holder.holder.agent });
	};
}

/** Visible ASCII only: an address that merely looks like another is refused, not compared. */
export function identityHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
	const value = headers[name];
	if (value === undefined) return undefined;
	if (typeof value !== 'string' || !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) || value.length > MAX_IDENTITY_CHARACTERS) {
		throw new ToolGateError('INVALID_REQUEST', `the header ${name} has to be 1 to ${MAX_IDENTITY_CHARACTERS} visible ASCII characters`);
	}
	return value;
}
