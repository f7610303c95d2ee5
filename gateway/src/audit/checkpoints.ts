import { type Sql, StoreUnavailable } from '../store/sql.ts';
import { type CheckpointSigner, writeCheckpoint } from './checkpoint.ts';
import type { CheckpointSink } from './checkpoint-sink.ts';

export interface CheckpointsOptions {
	readonly sql: Sql;
	/** The stream that this process writes now; undefined while it holds no lease. */
	readonly stream: () => string | undefined;
	readonly signer: CheckpointSigner;
	/** Absent: the table alone. */
	readonly sink?: CheckpointSink;
	/** The sink failed, or works again: one sentence. */
	readonly onNews: (text: string) => void;
	readonly onFault: (error: unknown) => void;
	readonly everyMs?: number;
	readonly everyEvents?: number;
}

export interface Checkpoints {
	/** So many events were written. */
	written(count: number): void;
	/** Signs the heads that have moved; a dead process's too. Runs by itself every 10 s and 1,000 events. @throws {StoreUnavailable} */
	sign(): Promise<void>;
	/** Tells the sink what it doesn't have yet. Never throws. Runs by itself too. */
	tell(): Promise<void>;
	/** Why the sink doesn't get them; undefined while all is well. */
	readonly problem: string | undefined;
	/** Signs and tells the last; call it when nothing is written any more. Never throws. */
	close(): Promise<void>;
}

const EVERY_MS = 10_000;
const EVERY_EVENTS = 1_000;
const MAX_SIGNED = 200;
const MAX_TOLD = 500;

export function createCheckpoints(options: CheckpointsOptions): Checkpoints {
	const { sql, signer, sink, onNews, onFault } = options;
	let unsigned = 0;
	let problem: string | undefined;
	let signing: Promise<void> | undefined;
	let telling: Promise<void> | undefined;

	const signHeads = async (): Promise<void> => {
		unsigned = 0;
		const heads = await sql.query<{ id: string; sequence: number; hash: Uint8Array }>(
			`SELECT s.id, s.sequence, s.hash FROM streams s
			WHERE (s.id = $1 OR NOT EXISTS (SELECT FROM processes p WHERE p.id = s.id AND p.lease_until > clock_timestamp()))
				AND s.sequence > coalesce((SELECT max(c.sequence) FROM checkpoints c WHERE c.stream = s.id), 0)
			LIMIT ${MAX_SIGNED}`,
			[options.stream() ?? ''],
		);
		if (heads.length === 0) return;
		const signed = heads.map(({ id, sequence, hash }) =>
			signer.sign({ kind: 'head', stream: id, sequence, hash: Buffer.from(hash).toString('hex'), timeMs: sql.nowMs() }),
		);
		// Two processes may sign the head of a third: one of them is enough.
		await sql.query(
			`INSERT INTO checkpoints (stream, sequence, kind, line, is_told) SELECT s, n, 'head', l, $4
			FROM unnest($1::text[], $2::bigint[], $3::text[]) AS x (s, n, l) ON CONFLICT DO NOTHING`,
			[signed.map(({ stream }) => stream), signed.map(({ sequence }) => sequence), signed.map(writeCheckpoint), sink === undefined],
		);
	};

	const tellSink = async (to: CheckpointSink): Promise<void> => {
		for (;;) {
			const untold = await sql.query<{ stream: string; sequence: number; kind: string; line: string }>(
				`SELECT stream, sequence, kind, line FROM checkpoints WHERE NOT is_told ORDER BY signed_at, stream LIMIT ${MAX_TOLD}`,
				[],
			);
			if (untold.length === 0) return;
			try {
				await to.write(untold.map(({ line }) => line));
			} catch (error) {
				// Told once: an operator has to mend it, and hears when it is mended.
				if (problem === undefined)
					onNews(
						`checkpoints can not be written to ${to.name} (${(error as Error).message}); they are kept in the database until it takes them`,
					);
				problem = `${to.name}: ${(error as Error).message}`;
				return;
			}
			if (problem !== undefined) onNews(`checkpoints are written to ${to.name} again`);
			problem = undefined;
			await sql.query(
				`UPDATE checkpoints c SET is_told = true FROM unnest($1::text[], $2::bigint[], $3::text[]) AS x (s, n, k)
				WHERE c.stream = x.s AND c.sequence = x.n AND c.kind = x.k`,
				[untold.map(({ stream }) => stream), untold.map(({ sequence }) => sequence), untold.map(({ kind }) => kind)],
			);
			if (untold.length < MAX_TOLD) return;
		}
	};

	const checkpoints: Checkpoints = {
		written(count) {
			unsigned += count;
			if (unsigned >= (options.everyEvents ?? EVERY_EVENTS)) run();
		},
		sign: () => (signing ??= signHeads().finally(() => (signing = undefined))),
		tell: async () => {
			if (sink === undefined) return;
			await (telling ??= tellSink(sink)
				.catch(tellFault)
				.finally(() => (telling = undefined)));
		},
		get problem() {
			return problem;
		},
		async close() {
			clearInterval(timer);
			await signing?.catch(() => undefined);
			await checkpoints.sign().catch(tellFault);
			await telling;
			await checkpoints.tell();
		},
	};

	const tellFault = (error: unknown) => {
		// A store that is away is told where calls meet it; the next round signs what this one didn't.
		if (!(error instanceof StoreUnavailable)) onFault(error);
	};
	/** A sink that hangs keeps no head from being signed. */
	const run = () => void checkpoints.sign().then(() => void checkpoints.tell(), tellFault);
	const timer = setInterval(run, options.everyMs ?? EVERY_MS).unref();
	return checkpoints;
}
