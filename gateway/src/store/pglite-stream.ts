import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';

/** Under the sources' own name while they run as they are, and under the built one's after a build. */
const WORKER_URL = new URL(import.meta.url.endsWith('.ts') ? './pglite-worker.ts' : './pglite-worker.js', import.meta.url);

/** Starts the embedded database on a folder; `ready` rejects when it can't be opened. */
export function startPgliteWorker(folder: string): { worker: Worker; ready: Promise<void>; exited: Promise<void> } {
	const worker = new Worker(WORKER_URL, { workerData: { folder }, execArgv: [] });
	const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
	const ready = new Promise<void>((resolve, reject) => {
		worker.once('message', () => resolve());
		worker.once('error', reject);
		worker.once('exit', () => reject(new Error('its thread ended')));
	});
	return { worker, ready, exited };
}

/**
 * What `pg` takes for the socket to a server: the other end is the embedded database in its thread. Ending the stream closes the database; destroying it
 * kills the thread, which to the folder is what `kill -9` is to a server's.
 */
export class PgliteStream extends Duplex {
	readonly #folder: string;
	readonly #predecessor: Promise<void>;
	/** Resolves when no thread of this stream can touch the folder any more. */
	readonly released: Promise<void>;
	#markReleased: () => void = () => {};
	#worker: Worker | undefined;

	/** @param predecessor when the folder is free: two threads on one folder destroy it */
	constructor(folder: string, predecessor: Promise<void>) {
		super();
		this.#folder = folder;
		this.#predecessor = predecessor;
		this.released = new Promise((resolve) => (this.#markReleased = resolve));
	}

	connect(): void {
		void this.#start().then(
			() => this.emit('connect'),
			(error: unknown) => this.destroy(error as Error),
		);
	}

	async #start(): Promise<void> {
		await this.#predecessor;
		if (this.destroyed) return this.#markReleased();
		const { worker, ready, exited } = startPgliteWorker(this.#folder);
		this.#worker = worker;
		void exited.then(() => {
			this.#markReleased();
			if (this.writableEnded) this.push(null);
			else this.destroy(new Error('its thread ended'));
		});
		await ready;
		worker.on('error', (error) => this.destroy(error as Error));
		worker.on('message', (bytes: Uint8Array) => {
			if (bytes.length > 0) this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
		});
	}

	override _read(): void {}

	override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
		this.#send(chunk);
		done();
	}

	/** All messages of one statement together: one crossing to the thread and back. */
	override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
		this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)));
		done();
	}

	override _final(done: () => void): void {
		this.#worker?.postMessage(null);
		done();
	}

	override _destroy(error: Error | null, done: (error: Error | null) => void): void {
		if (this.#worker === undefined) {
			this.#markReleased();
			done(error);
		} else {
			void this.#worker.terminate().then(() => done(error));
		}
	}

	#send(bytes: Buffer): void {
		// A copy of just these bytes: `pg` writes into one large buffer again and again.
		const copy = new Uint8Array(bytes);
		this.#worker?.postMessage(copy, [copy.buffer]);
	}

	// What `pg` asks of a socket, and what a thread has no use for.
	setNoDelay(): void {}
	setKeepAlive(): void {}
	ref(): void {
		this.#worker?.ref();
	}
	unref(): void {
		this.#worker?.unref();
	}
}
