/**
 * The embedded database in a thread of its own, because it computes on the thread that calls it. Messages in: bytes of PostgreSQL's protocol, or
 * null to close. Messages out: an empty array once it is ready, then the bytes of each answer. It ends with the thread.
 */
import { PGlite } from '@electric-sql/pglite';
import { parentPort, workerData } from 'node:worker_threads';

const port = parentPort as NonNullable<typeof parentPort>;
const { folder } = workerData as { folder: string };
const lastWords: string[] = [];

const db = await PGlite.create(folder, {
	onStderr: (line) => {
		lastWords.push(line);
		return false;
	},
}).catch((cause: unknown) => {
	const why = lastWords.findLast((line) => /FATAL|PANIC|ERROR/.test(line)) ?? (cause instanceof Error ? cause.message : String(cause));
	throw new Error(why, { cause });
});

port.on('message', (bytes: Uint8Array | null) => {
	if (bytes === null) {
		void db.close().finally(() => port.close());
		return;
	}
	const answer = db.execProtocolRawSync(bytes);
	port.postMessage(answer, [answer.buffer as ArrayBuffer]);
});
port.postMessage(new Uint8Array(0));
