import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { PolicyError, ToolGateError } from '../errors.ts';
import { openBundle } from './bundle.ts';
import { builtins } from './builtins/index.ts';
import { EvaluationError } from './evaluation-error.ts';
import { createEvaluator } from './evaluator.ts';
import { meter } from './metering/meter.ts';
import { namedPatterns } from './patterns.ts';
import type { PrepareAnswer, PrepareTask } from './prepare.ts';
import { mayJudgeResults } from './result-rules.ts';
import { selfTest } from './self-test.ts';

async function answer({ packed, verification, gate, fuel }: PrepareTask): Promise<PrepareAnswer> {
	const { revision, digest, version, signature, data, wasm } = openBundle(packed, verification);
	const header = { revision, digest, version, ...(signature === undefined ? {} : { signature }) };
	if (digest === gate.activeDigest) return { kind: 'unchanged', header };
	if (gate.floor !== undefined && version < gate.floor.version)
		return { kind: 'refused', why: `version ${version} is not accepted: ${gate.floor.says}` };
	const patterns = namedPatterns(data);
	const module = await WebAssembly.compile(meter(wasm));
	const evaluator = await createEvaluator(module, data, { builtins, fuel });
	const image = evaluator.dataImage;
	selfTest(evaluator, data);
	return { kind: 'ready', header, module, data: image, patterns, mayJudgeResults: mayJudgeResults(wasm) };
}

/** In one sentence, why a bundle is refused. */
function refusalOf(error: unknown): string {
	if (error instanceof ToolGateError || error instanceof PolicyError || error instanceof EvaluationError) return error.message;
	return `unexpected: ${error instanceof Error ? error.message : String(error)}`;
}

parentPort!.on('message', (task: PrepareTask) => {
	void answer(task)
		.catch((error: unknown): PrepareAnswer => ({ kind: 'refused', why: refusalOf(error) }))
		.then((result) => parentPort!.postMessage(result, result.kind === 'ready' ? [result.data.bytes.buffer as ArrayBuffer] : []));
});
// Calls go first where processors are short. Only Linux has a priority for each thread: elsewhere it would be the whole gateway's.
if (process.platform === 'linux') setPriority(0, 10);
