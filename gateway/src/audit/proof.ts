import { createConceal } from '../conceal.ts';
import type { Keys } from '../keys.ts';
import type { Sql } from '../store/sql.ts';
import { type CheckpointSigner, checkpointSigner, readPublicKeys, type CheckpointKey } from './checkpoint.ts';
import { checkpointSink } from './checkpoint-sink.ts';
import { type Checkpoints, createCheckpoints } from './checkpoints.ts';
import { type ExportFormat, exportTrail } from './export.ts';
import type { TrailFilter } from './filter.ts';
import { createRetention, type Retention } from './retention.ts';
import type { VerifyReport } from './verify.ts';

export interface ProofOptions {
	readonly sql: Sql;
	readonly keys: Keys;
	/** `audit` of the configuration. */
	readonly settings: {
		readonly checkpoints?: string | undefined;
		readonly formerKeys: readonly string[];
		readonly retentionMonths: number;
	};
	/** The stream that this process writes now; undefined while it holds no lease. */
	readonly stream: () => string | undefined;
	readonly onNews: (text: string) => void;
	readonly onFault: (error: unknown) => void;
}

/** What the trail can be proved with, as far as it is known without looking at every event. */
export interface ProofStatus {
	readonly keyId: string;
	/** In PEM: what checkpoints are verified with. */
	readonly publicKey: string;
	readonly checkpoints: {
		/** When the last was signed, on the database's clock. */
		readonly lastMs?: number;
		/** Where they go besides the database. */
		readonly place?: string;
		/** Why they don't get there. */
		readonly problem?: string;
	};
	/** The last `verify` of this process. */
	readonly verified?: VerifyReport & { readonly atMs: number };
}

/** What the trail of this deployment is proved with. */
export interface Proof {
	readonly signer: CheckpointSigner;
	/** Whose checkpoints count: the present key and former ones. */
	readonly keys: readonly CheckpointKey[];
	readonly checkpoints: Checkpoints;
	readonly retention: Retention;
	/** Pieces of text; without a filter the whole trail, with what is needed to verify it. */
	export(options: { readonly format: ExportFormat; readonly filter?: TrailFilter }): AsyncIterable<string>;
	/** What is known without looking at every event; with the last report given to `verified`. */
	status(): Promise<ProofStatus>;
	verified(report: VerifyReport): void;
	/** Signs the last; call it when nothing is written any more. Never throws. */
	close(): Promise<void>;
}

/** @throws {ToolGateError} BAD_INPUT: a former key can't be read */
export function createProof({ sql, keys, settings, ...options }: ProofOptions): Proof {
	const signer = checkpointSigner(keys.checkpointSeed);
	const sink = settings.checkpoints === undefined ? undefined : checkpointSink(settings.checkpoints);
	const checkpoints = createCheckpoints({ sql, signer, ...(sink === undefined ? {} : { sink }), ...options });
	const retention = createRetention({
		sql,
		signer,
		conceal: createConceal(keys.keyedDigest),
		months: settings.retentionMonths,
		hasSink: sink !== undefined,
		...options,
	});
	let last: ProofStatus['verified'];
	return {
		signer,
		keys: [signer, ...settings.formerKeys.flatMap((pem, n) => readPublicKeys(pem, `audit.formerKeys[${n}]`))],
		checkpoints,
		retention,
		async close() {
			retention.close();
			await checkpoints.close();
		},
		export: (wanted) => exportTrail(sql, { ...wanted, keyId: signer.id }),
		async status() {
			const [row] = await sql.query<{ at: number | null }>('SELECT max(signed_at) AS at FROM checkpoints', []);
			const { problem } = checkpoints;
			return {
				keyId: signer.id,
				publicKey: signer.pem,
				checkpoints: {
					...(row!.at === null ? {} : { lastMs: row!.at }),
					...(sink === undefined ? {} : { place: sink.name }),
					...(problem === undefined ? {} : { problem }),
				},
				...(last === undefined ? {} : { verified: last }),
			};
		},
		verified: (report) => void (last = { atMs: sql.nowMs(), ...report }),
	};
}
