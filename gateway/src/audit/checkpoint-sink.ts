import { appendFile } from 'node:fs/promises';
import { request } from 'undici';

/** The second place for checkpoints, outside the database. */
export interface CheckpointSink {
	/** Named without its credentials. */
	readonly name: string;
	/** Takes whole lines; they are there when it resolves. @throws {Error} saying why they are not */
	write(lines: readonly string[]): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/** @param place a file, to which lines are appended, or an http(s) URL, to which they are posted as `application/x-ndjson` */
export function checkpointSink(place: string): CheckpointSink {
	return /^https?:\/\//.test(place) ? httpSink(new URL(place)) : fileSink(place);
}

function fileSink(file: string): CheckpointSink {
	return {
		name: file,
		write: (lines) => appendFile(file, textOf(lines), { flush: true, mode: 0o640 }),
	};
}

function httpSink(url: URL): CheckpointSink {
	const headers: Record<string, string> = { 'content-type': 'application/x-ndjson' };
	if (url.username !== '') {
		headers['authorization'] =
			`Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;
	}
	const address = new URL(url);
	address.username = address.password = '';
	return {
		name: address.origin + address.pathname,
		async write(lines) {
			const { statusCode, body } = await request(address, {
				method: 'POST',
				headers,
				body: textOf(lines),
				headersTimeout: TIMEOUT_MS,
				bodyTimeout: TIMEOUT_MS,
				signal: AbortSignal.timeout(2 * TIMEOUT_MS),
			});
			await body.dump();
			if (statusCode < 200 || statusCode > 299) throw new Error(`it answered HTTP ${statusCode}`);
		},
	};
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
