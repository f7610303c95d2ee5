import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ToolGateError } from '../errors.ts';
import type { Bundle } from './bundle.ts';
import { builtins } from './builtins/index.ts';
import { createEvaluator, type Evaluator } from './evaluator.ts';
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
			readonly mayJudgeResults: boolean;
	  };

const workerFile = new URL('./prepare-worker.ts', import.meta.url);
/** A worker that has nothing to do for so long is let go. */
const IDLE_MS = 10_000;

/**
 * Prepares bundles in a worker, so that calls flow meanwhile: unpacking, verifying, reading data, compiling and testing happen there. What
 * is left for this thread is a copy of memory, in slices. One bundle at a time.
 */
export class Preparation {
	readonly #idleMs: number;
	#worker: Worker | undefined;
	/** The last two evaluators. The newer one is in force; the other is asked by calls in flight at most, and its memory serves the next. */
	#made: [Evaluator | undefined, Evaluator | undefined] = [undefined, undefined];
	#idle: NodeJS.Timeout | undefined;

	constructor({ idleMs = IDLE_MS } = {}) {
		this.#idleMs = idleMs;
	}

	/**
	 * A judge for the bundle, proved by its self-test; undefined when it is the active one.
	 * @throws {ToolGateError} BUNDLE: why it is refused.
	 */
	async prepare(task: PrepareTask): Promise<Prepared | undefined> {
		const answer = await this.#ask(task);
		switch (answer.kind) {
			case 'refused':
				throw new ToolGateError('BUNDLE', answer.why);
			case 'unchanged':
				return undefined;
			case 'ready': {
				const memory = this.#made[0]?.giveUpMemory();
				const evaluator = await createEvaluator(
					answer.module,
					{},
					{ builtins, fuel: task.fuel, dataImage: answer.data, ...(memory === undefined ? {} : { memory }) },
				);
				this.#made = [this.#made[1], evaluator];
				warm(evaluator);
				const { header, patterns, mayJudgeResults } = answer;
				return { header, judge: new EvaluatorJudge(evaluator, header.revision, patternsOf(patterns), mayJudgeResults) };
			}
		}
	}

	async close(): Promise<void> {
		clearTimeout(this.#idle);
		const worker = this.#worker;
		// Before it ends: the next bundle is not for one that is ending.
		this.#worker = undefined;
		await worker?.terminate();
	}

	async #ask(task: PrepareTask): Promise<PrepareAnswer> {
		clearTimeout(this.#idle);
		const worker = (this.#worker ??= new Worker(workerFile));
		const answered = new AbortController();
		const ended = once(worker, 'exit', { signal: answered.signal }).then(() =>
			Promise.reject(new Error('its worker ended without an answer')),
		);
		try {
			worker.ref();
			worker.postMessage(task);
			const [answer] = (await Promise.race([once(worker, 'message', { signal: answered.signal }), ended])) as [PrepareAnswer];
			return answer;
		} catch (cause) {
			this.#worker = undefined;
			throw new ToolGateError('BUNDLE', `preparing it failed: ${(cause as Error).message}`, { cause });
		} finally {
			answered.abort();
			worker.unref();
			this.#idle = setTimeout(() => void this.close(), this.#idleMs).unref();
		}
	}
}
