import { setTimeout as delay } from 'node:timers/promises';
import { exchange, type ExchangeFailure } from '../http/exchange.ts';
import type { AnswerReader, Reading } from './answer-reader.ts';
import type { Endpoint } from './handshake.ts';

/** How long to wait before a stream is taken up again, where the upstream doesn't say. */
const RESUME_MS = 1_000;
const MIN_RESUME_MS = 100;

/**
 * Posts a request once and reads its answer until `endsAtMs` (of `performance.now()`). A stream with event ids that ends or breaks before
 * the answer is taken up where it stopped (Streamable HTTP, "Resumability"): that asks for the same answer and repeats nothing.
 */
export async function sendRequest(
	{ dispatcher, path, headers }: Endpoint,
	body: string,
	reader: AnswerReader,
	endsAtMs: number,
): Promise<Reading | ExchangeFailure> {
	const leftMs = () => Math.max(1, endsAtMs - performance.now());
	let end = await exchange(dispatcher, { path, method: 'POST', headers, body, timeoutMs: leftMs() }, reader);
	for (;;) {
		const after = reader.lastEventId;
		const isOpenEnded = end.kind === 'paused' || (end.kind === 'failed' && end.isSent && !end.isTimeout);
		const waitMs = Math.max(reader.retryMs ?? RESUME_MS, MIN_RESUME_MS);
		if (!isOpenEnded || after === undefined || leftMs() <= waitMs) return end;
		await delay(waitMs);
		const resumed = await exchange(
			dispatcher,
			{ path, method: 'GET', headers: [...headers, 'last-event-id', after], timeoutMs: leftMs() },
			reader,
		);
		// The call itself was sent, whatever became of this request: nothing here may look like a call that was turned away.
		if (resumed.kind === 'refused' || (resumed.kind === 'answered' && resumed.status > 299)) {
			return { kind: 'broken', why: `its stream ended before the answer, and was not offered again (HTTP ${resumed.status})` };
		}
		if (resumed.kind === 'failed' && !resumed.isSent) return { ...resumed, isSent: true };
		end = resumed;
	}
}
