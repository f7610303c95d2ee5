import { validateHeaderName, validateHeaderValue } from 'node:http';
import { ToolGateError } from '../../errors.ts';

/** What ToolGate or HTTP itself sets. */
const RESERVED = /^(accept|connection|content-.*|host|keep-alive|last-event-id|mcp-.*|te|trailer|transfer-encoding|upgrade|user-agent)$/;

/**
 * The configured headers of an upstream as names and values in turn.
 * @throws {ToolGateError} CONFIG: one can't be sent, or the URL holds a password.
 */
export function readConfiguredHeaders(upstream: string, url: URL, headers: Readonly<Record<string, string>>): string[] {
	const refuse = (what: string) => new ToolGateError('CONFIG', `upstreams.${upstream}.${what}`);
	if (url.username !== '' || url.password !== '') throw refuse('url: holds credentials; expected them under headers');
	return Object.entries(headers).flatMap(([name, value]) => {
		if (RESERVED.test(name.toLowerCase())) throw refuse(`headers.${name}: is set by ToolGate itself`);
		try {
			validateHeaderName(name);
			validateHeaderValue(name, value);
		} catch {
			throw refuse(`headers.${name.slice(0, 80)}: expected a header name and a value without line breaks`);
		}
		return [name.toLowerCase(), value];
	});
}
