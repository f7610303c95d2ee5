import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback } from '../config.ts';
import { ToolGateError } from '../errors.ts';

export interface HostGuard {
	/** The host this listener binds: an address or a name. */
	readonly boundHost: string;
	/** Names accepted besides (`http.allowedHosts`). */
	readonly allowedHosts: readonly string[];
}

const MAX_KNOWN = 100;

/**
 * Refuses requests whose `Host` or `Origin` names another host: a page of a foreign site that resolves to this address (DNS rebinding)
 * or posts across sites. Ports don't matter: they are published under others.
 */
export function guardHosts(app: FastifyInstance, { boundHost, allowedHosts }: HostGuard): void {
	const allowed = new Set([boundHost, ...allowedHosts].map((host) => host.toLowerCase()));
	// Agents name the same few hosts over and over; those allowed are remembered.
	const known = new Set<string>();
	const isAllowed = (authority: string): boolean => {
		if (known.has(authority)) return true;
		if (!/^[^\s/@?#\\]+$/.test(authority)) return false;
		// Parsed as a browser parses it, so that `127.1`, `LOCALHOST` and `[::1]` mean what they reach.
		const host = URL.parse(`http://${authority}`)
			?.hostname.replace(/^\[|\]$/g, '')
			.replace(/\.$/, '');
		if (host === undefined || !(allowed.has(host) || isLoopback(host))) return false;
		if (known.size < MAX_KNOWN) known.add(authority);
		return true;
	};

	app.addHook('onRequest', async (request: FastifyRequest) => {
		const { host, origin } = request.headers;
		if (host === undefined || !isAllowed(host)) {
			throw new ToolGateError('FORBIDDEN_HOST', `the Host ${quoted(host)} is not among http.allowedHosts`);
		}
		if (origin === undefined) return;
		const [, authority] = /^https?:\/\/(.+)$/.exec(origin) ?? [];
		if (authority === undefined || !isAllowed(authority)) {
			throw new ToolGateError('FORBIDDEN_HOST', `the Origin ${quoted(origin)} is not among http.allowedHosts`);
		}
	});
}

const quoted = (value: string | undefined): string => (value === undefined ? '(missing)' : JSON.stringify(value.slice(0, 100)));
