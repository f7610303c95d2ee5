import type { ServerResponse } from 'node:http';

/** Calls `listener` once when the response is over, whoever ended it; also where that was before: then nothing says so any more. */
export function onClosed(response: ServerResponse, listener: () => void): void {
	if (response.closed || response.destroyed) queueMicrotask(listener);
	else response.once('close', listener);
}
