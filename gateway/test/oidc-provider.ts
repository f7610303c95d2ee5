import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';
import type { Test } from 'tap';

/** An OpenID provider where whoever comes is signed in at once, as the person the test names. */
export interface OidcProvider {
	readonly issuer: string;
	/** The claims of whoever comes next; undefined: they refuse. */
	person: Readonly<Record<string, unknown>> | undefined;
	/** It has to know where browsers may be sent back to; until then it is down. */
	register(redirectUri: string): void;
}

export const CLIENT = { clientId: 'toolgate', clientSecret: 'a-secret-of-the-tests' };

export async function oidcProvider(t: Test): Promise<OidcProvider> {
	let answer: ReturnType<Provider['callback']> | undefined;
	const server = createServer((request, response) => {
		if (answer === undefined) response.writeHead(503).end();
		else void answer(request, response);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.teardown(() => {
		server.closeAllConnections();
		server.close();
	});
	const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const people: Record<string, Readonly<Record<string, unknown>>> = {};
	const self: OidcProvider = {
		issuer,
		person: undefined,
		register(redirectUri) {
			const provider = new Provider(issuer, {
				clients: [
					{
						client_id: CLIENT.clientId,
						client_secret: CLIENT.clientSecret,
						redirect_uris: [redirectUri],
						response_types: ['code'],
						grant_types: ['authorization_code'],
					},
				],
				claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
				scopes: ['openid', 'email', 'groups'],
				features: { devInteractions: { enabled: false } },
				cookies: { keys: ['of the tests'] },
				findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
				interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
				// Nobody is asked for consent.
				async loadExistingGrant({ oidc }) {
					const grant = new oidc.provider.Grant({ clientId: oidc.client!.clientId, accountId: oidc.session!.accountId! });
					grant.addOIDCScope('openid email groups');
					await grant.save();
					return grant;
				},
			});
			const call = provider.callback();
			answer = async (request, response) => {
				if (!request.url!.startsWith('/interaction/')) return call(request, response);
				if (self.person === undefined) return provider.interactionFinished(request, response, { error: 'access_denied' });
				const accountId = `sub-${Object.keys(people).length}`;
				people[accountId] = self.person;
				return provider.interactionFinished(request, response, { login: { accountId } });
			};
		},
	};
	return self;
}
