import { setTimeout as delay } from 'node:timers/promises';
import type { AnswerReader, Reading } from '../answer-reader.ts';
import type { Deadline } from '../deadline.ts';
import type { Endpoint } from '../http/endpoint.ts';
import { exchange, type ExchangeFailure } from '../http/exchange.ts';

/** How long to wait before a stream is taken up again, where the upstream doesn't say. */
const RESUME_MS = 1_000;
const MIN_RESUME_MS = 100;

/**
 * Posts a request once and reads its answer until the deadline. A stream with event ids that ends or breaks before the answer is taken up
 * where it stopped (Streamable HTTP, "Resumability"): that asks for the same answer and repeats nothing.
 */
export async function sendRequest(
	{ dispatcher, path, headers }: Endpoint,
	body: string,
	reader: AnswerReader,
	deadline: Deadline,
): Promise<Reading | ExchangeFailure> {
	let end = await exchange(dispatcher, { path, method: 'POST', headers, body, deadline }, reader);
	for (;;) {
		const after = reader.lastEventId;
		const isOpenEnded = end.kind === 'paused' || (end.kind === 'failed' && end.isSent && !end.isTimeout);
		const waitMs = Math.max(reader.retryMs ?? RESUME_MS, MIN_RESUME_MS);
		if (!isOpenEnded || after === undefined || deadline.leftMs <= waitMs) return end;
		await delay(waitMs);
		const resumed = await exchange(dispatcher, { path, method: 'GET', headers: [...headers, 'last-event-id', after], deadline }, reader);
		// The call itself was sent, whatever became of this request: nothing here may look like a call that was turned away.
		if (resumed.kind === 'refused' || (resumed.kind === 'answered' && resumed.status > 299)) {
			return { kind: 'broken', why: `its stream ended before the answer, and was not offered again (HTTP ${resumed.status})` };
		}
		if (resumed.kind === 'failed' && !resumed.isSent) return { ...resumed, isSent: true };
		end = resumed;
	}
}
