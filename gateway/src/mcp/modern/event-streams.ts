import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../domain.ts';
import { onClosed } from '../../on-closed.ts';

/** A connection with more unread bytes than this is closed: its agent repeats the request. */
const MAX_UNREAD_BYTES = 1024 * 1024;

const HEAD = {
	'content-type': 'text/event-stream',
	'cache-control': 'no-cache, no-transform',
	connection: 'keep-alive',
	'x-accel-buffering': 'no',
};

/** One response as a stream of events. It can't be taken up again: in this era whatever breaks off is asked anew. */
export class ModernStream {
	readonly #response: ServerResponse;
	readonly #onEnd: () => void;
	#isEnded = false;

	constructor(response: ServerResponse, onEnd: () => void) {
		this.#response = response;
		this.#onEnd = onEnd;
		response.on('error', () => response.destroy());
		onClosed(response, () => this.#over());
		response.writeHead(200, HEAD);
		response.flushHeaders();
	}

	send(message: JsonObject): void {
		if (this.#isEnded) return;
		if (this.#response.writableLength > MAX_UNREAD_BYTES) this.#response.destroy();
		else this.#response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
	}

	/** A comment, so that nothing on the way takes the silence for an end. What was not read since the last one is not read by anyone. */
	keepAlive(): void {
		if (this.#response.writableNeedDrain) this.#response.destroy();
		else this.#response.write(': keep-alive\n\n');
	}

	end(): void {
		this.#over();
		this.#response.end();
	}

	#over(): void {
		if (this.#isEnded) return;
		this.#isEnded = true;
		this.#onEnd();
	}
}

/** The open streams of the era, kept alive by one timer. */
export class ModernStreams {
	readonly #open = new Set<ModernStream>();

	constructor(keepAliveMs: number) {
		setInterval(() => {
			for (const stream of this.#open) stream.keepAlive();
		}, keepAliveMs).unref();
	}

	open(response: ServerResponse): ModernStream {
		const stream: ModernStream = new ModernStream(response, () => this.#open.delete(stream));
		this.#open.add(stream);
		return stream;
	}
}
