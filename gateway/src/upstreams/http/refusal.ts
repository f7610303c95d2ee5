import type { UpstreamAnswer } from '../upstream-call.ts';
import type { JsonObject } from '../../domain.ts';

/** The upstream did not take the request because it does not know the session. */
export interface Lost {
	readonly kind: 'lost';
	readonly why: string;
}

/** Statuses that say the request was turned away before anything ran. 303 is none of them: that is how work that is done answers. */
const NOT_TAKEN = new Set([307, 308, 401, 403, 404, 405, 406, 411, 413, 414, 415, 417, 421, 426, 429, 431]);

/**
 * What a status other than 2xx says about a request. Certain ends only where HTTP or MCP says that nothing ran; everything else may have.
 * Many servers answer a session they don't know with 400 and an error of the transport instead of 404: that is a lost session too.
 */
export function refusal(status: number, error: JsonObject | undefined, hasSession: boolean): UpstreamAnswer | Lost {
	const why = `${sentence(status)}${error === undefined ? '' : `: ${String(error['message']).slice(0, 200)}`}`;
	if (hasSession && (status === 404 || (status === 400 && error !== undefined))) return { kind: 'lost', why };
	if (NOT_TAKEN.has(status) || (status === 400 && error !== undefined)) return { kind: 'not_sent', why };
	return { kind: 'broken', why };
}

function sentence(status: number): string {
	if (status >= 300 && status < 400) return `it redirects (HTTP ${status}), which is not followed`;
	if (status === 401 || status === 403) return `it refused the gateway's credentials (HTTP ${status})`;
	return `it answered HTTP ${status}`;
}
