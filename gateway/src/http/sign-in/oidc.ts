import * as client from 'openid-client';
import type { SignedIn } from './sessions.ts';

/** What the configuration says of the identity provider (`signIn.oidc`). */
export interface OidcSettings {
	readonly issuer: string;
	readonly clientId: string;
	/** Absent for a public client: PKCE protects both. */
	readonly clientSecret?: string;
	/** Asked for besides `openid`. */
	readonly scopes: readonly string[];
	/** The claim that says who it is. `email` counts only with `email_verified`. */
	readonly identityClaim: string;
	readonly groupsClaim: string;
	/** Groups whose members may come in without being named in `people`. */
	readonly allowedGroups: readonly string[];
}

export interface OidcOptions extends OidcSettings {
	/** Is the person named in `people`. */
	readonly isKnown: (personId: string) => boolean;
}

/** What has to come back with the person; kept in the browser, sealed. */
export interface Transaction {
	readonly state: string;
	readonly nonce: string;
	readonly verifier: string;
	/** Where the person wanted to go. */
	readonly to: string;
	readonly expiresAtMs: number;
}

/** Words of a sign-in that failed; the sign-in page has a sentence for each. */
export const SIGN_IN_PROBLEMS = ['link', 'expired', 'provider', 'refused', 'stranger'] as const;
export type SignInProblem = (typeof SIGN_IN_PROBLEMS)[number];

export type OidcEnd =
	| { readonly kind: 'signed in'; readonly who: SignedIn }
	/** `why` is for the log and the trail, not for who tried. */
	| { readonly kind: 'failed'; readonly problem: SignInProblem; readonly why: string; readonly personId?: string };

const TRANSACTION_MS = 10 * 60_000;
const TIMEOUT_SECONDS = 10;
const MAX_GROUPS = 200;
const IDENTITY = /^[\x21-\x7e](?:[\x20-\x7e]{0,318}[\x21-\x7e])?$/;

/** Sign-in at an OpenID provider: authorization code flow with PKCE, state and nonce. */
export class Oidc {
	readonly #options: OidcOptions;
	#provider: Promise<client.Configuration> | undefined;

	constructor(options: OidcOptions) {
		this.#options = options;
	}

	/** Where to send the browser. @throws {Error} the provider can't be reached, or doesn't describe itself. */
	async begin(redirectUri: string, to: string, nowMs: number): Promise<{ url: string; transaction: Transaction }> {
		const provider = await this.#discovered();
		const transaction: Transaction = {
			state: client.randomState(),
			nonce: client.randomNonce(),
			verifier: client.randomPKCECodeVerifier(),
			to,
			expiresAtMs: nowMs + TRANSACTION_MS,
		};
		const url = client.buildAuthorizationUrl(provider, {
			redirect_uri: redirectUri,
			scope: ['openid', ...this.#options.scopes].join(' '),
			code_challenge: await client.calculatePKCECodeChallenge(transaction.verifier),
			code_challenge_method: 'S256',
			state: transaction.state,
			nonce: transaction.nonce,
		});
		return { url: url.href, transaction };
	}

	/** @param callback the address with which the browser came back */
	async complete(callback: URL, { state, nonce, verifier, expiresAtMs }: Transaction, nowMs: number): Promise<OidcEnd> {
		if (expiresAtMs <= nowMs) return { kind: 'failed', problem: 'expired', why: 'it took longer than ten minutes' };
		let claims: Readonly<Record<string, unknown>>;
		try {
			const provider = await this.#discovered();
			const tokens = await client.authorizationCodeGrant(provider, callback, {
				expectedState: state,
				expectedNonce: nonce,
				pkceCodeVerifier: verifier,
				idTokenExpected: true,
			});
			claims = tokens.claims()!;
			const { identityClaim, groupsClaim } = this.#options;
			if (!(identityClaim in claims && groupsClaim in claims) && provider.serverMetadata().userinfo_endpoint !== undefined) {
				claims = { ...(await client.fetchUserInfo(provider, tokens.access_token, tokens.claims()!.sub)), ...claims };
			}
		} catch (error) {
			const isDenied = error instanceof client.AuthorizationResponseError;
			return { kind: 'failed', problem: isDenied ? 'refused' : 'provider', why: whyOf(error) };
		}
		return this.#admit(claims);
	}

	/** Not everybody whom the provider knows may come in: it may know the whole world. */
	#admit(claims: Readonly<Record<string, unknown>>): OidcEnd {
		const { identityClaim, groupsClaim, allowedGroups, isKnown } = this.#options;
		const personId = claims[identityClaim];
		if (typeof personId !== 'string' || !IDENTITY.test(personId)) {
			return { kind: 'failed', problem: 'provider', why: `the claim ${identityClaim} does not say who it is` };
		}
		if (identityClaim === 'email' && claims['email_verified'] !== true) {
			return { kind: 'failed', problem: 'stranger', why: 'the provider has not verified the address', personId };
		}
		const named = claims[groupsClaim];
		const groups = (Array.isArray(named) ? named : [named])
			.filter((group): group is string => typeof group === 'string')
			.slice(0, MAX_GROUPS);
		if (!isKnown(personId) && !groups.some((group) => allowedGroups.includes(group))) {
			return { kind: 'failed', problem: 'stranger', why: 'neither people nor signIn.oidc.allowedGroups names this person', personId };
		}
		return { kind: 'signed in', who: { personId, groups } };
	}

	/** Asked when the first person comes, and again until it answers: a provider that is down stops no start. */
	#discovered(): Promise<client.Configuration> {
		this.#provider ??= this.#discover().catch((error: unknown) => {
			this.#provider = undefined;
			throw error;
		});
		return this.#provider;
	}

	async #discover(): Promise<client.Configuration> {
		const { issuer, clientId, clientSecret } = this.#options;
		const url = new URL(issuer);
		return client.discovery(url, clientId, undefined, clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret), {
			timeout: TIMEOUT_SECONDS,
			// The configuration admits plain HTTP on loopback only.
			...(url.protocol === 'http:' ? { execute: [client.allowInsecureRequests] } : {}),
		});
	}
}

export function whyOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	return cause instanceof Error ? `${error.message} (${cause.message})` : error.message;
}
