import type { FastifyRequest } from 'fastify';
import { ToolGateError } from '../errors.ts';

/** What a request to `/mcp` has to look like before anyone asks who sent it. */

const SINGLE_HEADERS: ReadonlySet<string> = new Set([
	'host',
	'authorization',
	'content-length',
	'content-type',
	'last-event-id',
	'x-mcp-turn-id',
]);
const isSingle = (name: string): boolean => SINGLE_HEADERS.has(name) || name.startsWith('mcp-') || name.startsWith('x-toolgate-');

/** Two readers of a repeated header may believe different ones. @throws {ToolGateError} DUPLICATE_HEADER */
export function demandSingleHeaders(rawHeaders: readonly string[]): void {
	const seen = new Set<string>();
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const name = (rawHeaders[i] as string).toLowerCase();
		if (!isSingle(name)) continue;
		if (seen.has(name)) throw new ToolGateError('DUPLICATE_HEADER', `the header ${name} was sent twice`);
		seen.add(name);
	}
}

/** Size and type of a POST, by its headers. @throws {ToolGateError} BODY_TOO_LARGE, CONTENT_TYPE */
export function demandJsonBody({ headers }: FastifyRequest, maxBytes: number): void {
	if (Number(headers['content-length'] ?? 0) > maxBytes) throw new ToolGateError('BODY_TOO_LARGE', `the body is over ${maxBytes} bytes`);
	// What is small compressed may be huge: bodies come as they are.
	if (headers['content-encoding'] !== undefined) throw new ToolGateError('CONTENT_TYPE', 'Content-Encoding is not accepted');
	const type = headers['content-type'] ?? '';
	if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?$/i.test(type)) {
		throw new ToolGateError('CONTENT_TYPE', 'Content-Type has to be application/json in UTF-8');
	}
}
