import { createEvaluator, type Evaluator, type EvaluatorOptions } from '../../src/policy/evaluator.ts';
import { EvaluationError } from '../../src/policy/evaluation-error.ts';
import { compare, fromText, RegoSet, type RegoValue, toJson, toText } from '../../src/policy/rego-value.ts';
import type { ConformanceCase } from './cases.ts';

/** What became of a case. */
export type Judgement = {
	file: string;
	note: string;
	passed: boolean;
	/** Why it didn't pass, in a few words. */
	reason: string;
	/** Builtins of the host that the case's module imports. */
	hostBuiltins: readonly string[];
	/** The case expects something to be undefined. A builtin that always fails would pass it. */
	expectsNothing: boolean;
	/** Fuel that the evaluation took. */
	fuel: number;
};

type Outcome = { text: string; results?: RegoValue[]; error?: EvaluationError };

/** Runs a case on the metered and on the plain module, and compares with what OPA expects. */
export async function judge(testCase: ConformanceCase, options: EvaluatorOptions): Promise<Judgement> {
	const { file, note } = testCase;
	const expectsNothing = testCase.wantResult === undefined || testCase.wantResult === '[]';
	const judgement: Judgement = { file, note, passed: false, reason: '', hostBuiltins: [], expectsNothing, fuel: 0 };
	if (testCase.compileError !== undefined) return { ...judgement, reason: `does not compile: ${testCase.compileError}` };

	const evaluator = await evaluatorFor(testCase, { ...options, metered: true });
	const metered = run(testCase, evaluator);
	const plain = run(testCase, await evaluatorFor(testCase, { ...options, metered: false }));
	judgement.fuel = evaluator.fuelUsed;
	judgement.hostBuiltins = evaluator.builtins;
	judgement.reason = metered.text === plain.text ? flaw(testCase, metered) : `metered ${metered.text}, plain ${plain.text}`;
	return { ...judgement, passed: judgement.reason === '' };
}

function evaluatorFor(testCase: ConformanceCase, options: EvaluatorOptions): Promise<Evaluator> {
	return createEvaluator(testCase.wasm, fromText(testCase.data ?? '{}') as object, { ...options, anyInput: true });
}

function run(testCase: ConformanceCase, evaluator: Evaluator): Outcome {
	try {
		const input = testCase.input === undefined ? undefined : fromText(testCase.input);
		const results = evaluator.resultSet(input, 0) as RegoValue[];
		return { text: toText(results), results };
	} catch (error) {
		if (error instanceof EvaluationError) return { text: `${error.code}: ${error.message}`, error };
		throw error;
	}
}

/** Why the outcome is not what the case wants; empty where it is. */
function flaw(testCase: ConformanceCase, outcome: Outcome): string {
	if (testCase.wantResult === undefined && !testCase.strictError) {
		if (testCase.wantError === 'eval_conflict_error' && outcome.error?.code === 'conflict') return '';
		return `expected ${testCase.wantError}, got ${outcome.text}`;
	}
	if (outcome.error !== undefined) return outcome.error.message;
	const want = bindings(testCase, fromText(testCase.wantResult ?? '[]') as RegoValue[]);
	return compare(want, bindings(testCase, outcome.results ?? [])) === 0 ? '' : `expected ${toText(want)}, got ${outcome.text}`;
}

function bindings(testCase: ConformanceCase, results: RegoValue[]): RegoSet {
	if (!testCase.sortBindings) return RegoSet.of(results);
	return RegoSet.of(results.map((result) => mapMembers(result, (value) => (Array.isArray(value) ? [...value].sort(compare) : value))));
}

function mapMembers(result: RegoValue, map: (value: RegoValue) => RegoValue): RegoValue {
	return Object.fromEntries(Object.entries(toJson(result) as object).map(([name, value]) => [name, map(value)]));
}

/**
 * Takes back passes that a builtin which always fails would get too: a case that expects nothing counts only if every builtin that its
 * module imports also passes a case that expects a value.
 */
export function discountEmptyPasses(judgements: readonly Judgement[]): Judgement[] {
	const proven = new Set(judgements.filter((j) => j.passed && !j.expectsNothing).flatMap((j) => j.hostBuiltins));
	return judgements.map((j) => {
		const unproven = j.passed && j.expectsNothing ? j.hostBuiltins.filter((name) => !proven.has(name)) : [];
		return unproven.length === 0
			? j
			: { ...j, passed: false, reason: `undefined as expected, but ${unproven.join(', ')} never gave a value` };
	});
}
