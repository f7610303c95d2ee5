import { UsageError } from './deployment.ts';

export interface RequestOptions {
	readonly method?: string;
	/** Sent as JSON, or as a form where it is URLSearchParams. */
	readonly body?: object;
	readonly token?: string;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
}

/**
 * Asks for JSON. A 502 is an answer too: the agent tells by it that it could not reach the gateway.
 * @throws {UsageError} nothing answers, or it answers otherwise
 */
export async function json<T>(url: string, { method = 'GET', body, token, timeoutMs = 15_000, signal }: RequestOptions = {}): Promise<T> {
	const patience = AbortSignal.timeout(timeoutMs);
	let response: Response;
	let text: string;
	try {
		response = await fetch(url, {
			method,
			headers: {
				...(body === undefined
					? {}
					: { 'content-type': body instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'application/json' }),
				...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
			},
			...(body === undefined ? {} : { body: body instanceof URLSearchParams ? body.toString() : JSON.stringify(body) }),
			signal: signal === undefined ? patience : AbortSignal.any([patience, signal]),
		});
		text = await response.text();
	} catch (cause) {
		signal?.throwIfAborted();
		throw new UsageError(patience.aborted ? `${url} did not answer within ${timeoutMs / 1000} s` : `nothing answers at ${url}`, { cause });
	}
	if (!response.ok && response.status !== 502) throw new UsageError(`${method} ${url}: HTTP ${response.status} ${text.slice(0, 200)}`);
	try {
		return JSON.parse(text) as T;
	} catch (cause) {
		throw new UsageError(`${method} ${url}: the answer is not JSON: ${text.slice(0, 80)}`, { cause });
	}
}
