import { Worker } from 'node:worker_threads';
import { ToolGateError } from '../errors.ts';
import type { Bundle } from './bundle.ts';
import { builtins } from './builtins/index.ts';
import { createEvaluator } from './evaluator.ts';
import { EvaluatorJudge, type Judge } from './judge.ts';
import type { DataImage } from './opa-instance.ts';
import { patternsOf } from './patterns.ts';
import { warm } from './self-test.ts';
import type { Verification } from './signatures.ts';

/** What is known of a bundle once it has been read. */
export type BundleHeader = Pick<Bundle, 'revision' | 'digest' | 'version' | 'signature'>;

export interface Prepared {
	readonly header: BundleHeader;
	readonly judge: Judge;
}

/** Which bundles may become active. */
export interface Gate {
	/** Digest of the active one: nothing to do. */
	readonly activeDigest?: string;
	/** The lowest version that is accepted, and why. */
	readonly floor?: { readonly version: number; readonly says: string };
}

export interface PrepareTask {
	/** The bundle's archive. */
	readonly packed: Uint8Array;
	readonly verification?: Verification;
	readonly gate: Gate;
	/** Units of work that one evaluation may take. */
	readonly fuel: number;
}

export type PrepareAnswer =
	| { readonly kind: 'refused'; readonly why: string }
	| { readonly kind: 'unchanged'; readonly header: BundleHeader }
	| {
			readonly kind: 'ready';
			readonly header: BundleHeader;
			readonly module: WebAssembly.Module;
			readonly data: DataImage;
			/** Name → RE2 expression. */
			readonly patterns: Readonly<Record<string, string>>;
	  };

const workerFile = new URL('./prepare-worker.ts', import.meta.url);

/**
 * A judge for the bundle, proved by its self-test; undefined when it is the active one. Everything but a copy of memory happens in a
 * worker, so that calls flow meanwhile: unpacking, verifying, reading data, compiling, testing.
 * @throws {ToolGateError} BUNDLE: why it is refused.
 */
export async function prepare(task: PrepareTask): Promise<Prepared | undefined> {
	const answer = await inWorker(task);
	switch (answer.kind) {
		case 'refused':
			throw new ToolGateError('BUNDLE', answer.why);
		case 'unchanged':
			return undefined;
		case 'ready': {
			const evaluator = await createEvaluator(answer.module, {}, { builtins, fuel: task.fuel, dataImage: answer.data });
			warm(evaluator);
			return { header: answer.header, judge: new EvaluatorJudge(evaluator, answer.header.revision, patternsOf(answer.patterns)) };
		}
	}
}

function inWorker(task: PrepareTask): Promise<PrepareAnswer> {
	return new Promise((resolve, reject) => {
		const worker = new Worker(workerFile, { workerData: task });
		worker.once('message', resolve);
		worker.once('error', (cause) => reject(new ToolGateError('BUNDLE', `preparing it failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })));
		worker.once('exit', () => reject(new ToolGateError('BUNDLE', 'preparing it failed: the worker ended without an answer')));
	});
}
