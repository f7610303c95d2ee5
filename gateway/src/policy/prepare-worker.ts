import { parentPort, workerData } from 'node:worker_threads';
import { meter } from './metering/meter.ts';
import { type PrepareAnswer, type PrepareTask, prove, refusalOf } from './prepare.ts';

const task = workerData as PrepareTask;
let answer: PrepareAnswer;
try {
	const module = await WebAssembly.compile(meter(task.wasm));
	await prove(module, task);
	answer = { module };
} catch (error) {
	answer = { refused: refusalOf(error) };
}
parentPort!.postMessage(answer);
