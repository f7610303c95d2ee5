import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback } from '../config.ts';
import { ToolGateError } from '../errors.ts';

export interface HostGuard {
	/** The host this listener binds: an address or a name. */
	readonly boundHost: string;
	/** Names accepted besides (`http.allowedHosts`). */
	readonly allowedHosts: readonly string[];
}

/**
 * Refuses requests whose `Host` or `Origin` names another host: a page of a foreign site that resolves to this address (DNS rebinding)
 * or posts across sites. Ports don't matter: they are published under others.
 */
export function guardHosts(app: FastifyInstance, { boundHost, allowedHosts }: HostGuard): void {
	const allowed = new Set([boundHost, ...allowedHosts].map((host) => host.toLowerCase()));
	const isAllowed = (authority: string): boolean => {
		// Parsed as a browser parses it, so that `127.1`, `LOCALHOST` and `[::1]` mean what they reach.
		const host = URL.parse(`http://${authority}`)?.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
		return host !== undefined && (allowed.has(host) || isLoopback(host));
	};

	app.addHook('onRequest', async (request: FastifyRequest) => {
		const { host, origin } = request.headers;
		if (host === undefined || !/^[^\s/@?#\\]+$/.test(host) || !isAllowed(host)) {
			throw new ToolGateError('FORBIDDEN_HOST', `the Host ${quoted(host)} is not among http.allowedHosts`);
		}
		if (origin === undefined) return;
		const [, authority] = /^https?:\/\/([^\s/@?#\\]+)$/.exec(origin) ?? [];
		if (authority === undefined || !isAllowed(authority)) {
			throw new ToolGateError('FORBIDDEN_HOST', `the Origin ${quoted(origin)} is not among http.allowedHosts`);
		}
	});
}

const quoted = (value: string | undefined): string => (value === undefined ? '(missing)' : JSON.stringify(value.slice(0, 100)));
