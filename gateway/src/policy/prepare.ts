import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { JsonObject } from '../domain.ts';
import { PolicyError, ToolGateError } from '../errors.ts';
import type { Bundle } from './bundle.ts';
import { builtins } from './builtins/index.ts';
import { EvaluationError } from './evaluation-error.ts';
import { createEvaluator, type Evaluator } from './evaluator.ts';
import { EvaluatorJudge } from './judge.ts';

export interface PrepareOptions {
	/** Units of work that one evaluation may take. */
	readonly fuel: number;
}

/** What the activation worker is asked, and what it answers. */
export interface PrepareTask extends PrepareOptions {
	readonly wasm: Uint8Array;
	readonly data: JsonObject;
}
export type PrepareAnswer = { readonly module: WebAssembly.Module } | { readonly refused: string };

const workerFile = new URL('./prepare-worker.ts', import.meta.url);

/**
 * An evaluator for the bundle, proved by its self-test. Rewriting, compiling and testing happen in a worker, so that calls flow meanwhile.
 * @throws {ToolGateError} BUNDLE: what the bundle lacks or does wrong.
 */
export async function prepare(bundle: Bundle, options: PrepareOptions): Promise<Evaluator> {
	const task: PrepareTask = { wasm: bundle.wasm, data: bundle.data, ...options };
	const answer = await new Promise<PrepareAnswer>((resolve, reject) => {
		const worker = new Worker(workerFile, { workerData: task });
		worker.once('message', resolve);
		worker.once('error', reject);
		worker.once('exit', () => reject(new Error('the activation worker ended without an answer')));
	});
	if ('refused' in answer) throw new ToolGateError('BUNDLE', answer.refused);
	return createEvaluator(answer.module, bundle.data, { builtins, ...options });
}

/** Refuses a module that lacks builtins or does not honour input version, decision schema or data. @throws {PolicyError | EvaluationError} */
export async function prove(module: WebAssembly.Module, { data, fuel }: PrepareTask): Promise<void> {
	const evaluator = await createEvaluator(module, data, { builtins, fuel });
	if (evaluator.missingBuiltins.length > 0) throw new PolicyError(`the policy needs builtins that the gateway does not provide: ${evaluator.missingBuiltins.join(', ')}`);
	const judge = new EvaluatorJudge(evaluator, 'self-test');
	const input = plainInput();
	judge.list(input);
	judge.call(input);
	judge.result({ ...input, result: { content: [] } });
	if (judge.call({ ...input, version: 999 }).verdict !== 'deny') throw new PolicyError('self-test: an input of an unknown version is not denied');
	// An optimised module has its data compiled in and would go on granting what was taken away.
	const nonce = randomUUID();
	const toolgate = data['toolgate'];
	evaluator.setData({ ...data, toolgate: { ...(typeof toolgate === 'object' && !Array.isArray(toolgate) ? toolgate : {}), selftest: nonce } });
	if (evaluator.evaluate(input, 'toolgate/decision/selftest') !== nonce) throw new PolicyError('self-test: the module does not honour its data; build it without -O');
}

/** In one sentence, why a bundle is refused. */
export function refusalOf(error: unknown): string {
	if (error instanceof PolicyError || error instanceof EvaluationError) return error.message;
	return `unexpected: ${error instanceof Error ? error.message : String(error)}`;
}

function plainInput(): JsonObject {
	return {
		version: 1,
		method: 'tools/call',
		principal: { id: 'self-test@toolgate.invalid', kind: 'user', groups: [], claims: {} },
		agent: { id: 'self-test' },
		session: { id: 'self-test', era: 'legacy' },
		server: { name: 'self-test' },
		tool: { name: 'self-test', annotations: {}, definitionDigest: `sha256:${'0'.repeat(64)}`, pinned: true },
		arguments: {},
		argumentsDigest: `hmac-sha256:00000000:${'0'.repeat(64)}`,
		argumentsBytes: 2,
		approvals: [],
		time: { ms: 0, iso: '1970-01-01T00:00:00.000Z', weekday: 'thursday', hour: 0, timezone: 'UTC' },
		environment: 'self-test',
	};
}
