import type { JsonObject } from '../../src/domain.ts';
import { createEvaluator, type Evaluator } from '../../src/policy/evaluator.ts';
import { EvaluatorJudge } from '../../src/policy/judge.ts';

/** One policy that is asked about one call, again and again. */
export interface Asked {
	readonly evaluator: Evaluator;
	readonly judge: EvaluatorJudge;
	readonly input: JsonObject;
	/** The same as listing has it: without the call. */
	readonly listInput: JsonObject;
	/** The rule that has to deny. */
	readonly rule: string;
}

export interface Timing {
	readonly p50Us: number;
	readonly p99Us: number;
	readonly decisions: number;
	/** Of the second of the two evaluations; 0 where nothing is counted. */
	readonly fuel: number;
}

export async function ask(wasm: Uint8Array, input: JsonObject, rule: string, { metered = true } = {}): Promise<Asked> {
	const evaluator = await createEvaluator(wasm, {}, { metered });
	const { arguments: _arguments, method: _method, ...listInput } = input;
	return { evaluator, judge: new EvaluatorJudge(evaluator, 'bench'), input, listInput, rule };
}

/**
 * Times of one decision, `list` and then `call`, as each call through the gateway has it. All take turns, so that whatever else the machine does
 * meets them alike; the best round of each counts.
 * @throws {Error} a decision was another than it has to be
 */
export function timeDecisions(
	asked: ReadonlyMap<string, Asked>,
	{ rounds, roundMs }: { readonly rounds: number; readonly roundMs: number },
): Map<string, Timing> {
	const best = new Map<string, Timing>();
	for (const [, each] of asked) timesOf(each, roundMs);
	for (let round = 0; round < rounds; round++) {
		for (const [name, each] of asked) {
			const times = timesOf(each, roundMs);
			const before = best.get(name);
			const at = (share: number) => times[Math.floor(times.length * share)]! * 1000;
			best.set(name, {
				p50Us: Math.min(at(0.5), before?.p50Us ?? Infinity),
				p99Us: Math.min(at(0.99), before?.p99Us ?? Infinity),
				decisions: times.length + (before?.decisions ?? 0),
				fuel: each.evaluator.fuelUsed,
			});
		}
	}
	return best;
}

/** In ms, sorted. */
function timesOf({ judge, input, listInput, rule }: Asked, durationMs: number): Float64Array {
	const times: number[] = [];
	const endMs = performance.now() + durationMs;
	for (let beganMs = performance.now(); beganMs < endMs; ) {
		const isListed = judge.list(listInput);
		const { reasons } = judge.call(input);
		const nowMs = performance.now();
		if (!isListed || reasons.length !== 1 || reasons[0]!.rule !== rule)
			throw new Error(`${rule} did not decide: ${JSON.stringify(reasons)}`);
		times.push(nowMs - beganMs);
		beganMs = nowMs;
	}
	return Float64Array.from(times).sort();
}
