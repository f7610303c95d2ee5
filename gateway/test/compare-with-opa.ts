import fc, { type Arbitrary } from 'fast-check';
import type { Test } from 'tap';
import { termText } from '../src/policy/builtins/go-quote.ts';
import { builtins } from '../src/policy/builtins/index.ts';
import { type RegoValue, toText } from '../src/policy/rego-value.ts';
import { opaAnswers } from './opa-answers.ts';

/** Fixed: a difference that was found must be found again. */
const seed = 20_240_703;

/** A builtin's name and its arguments. */
export type Call = readonly [name: string, ...args: RegoValue[]];

/** One of these values. */
export const one = <T>(...values: T[]): Arbitrary<T> => fc.constantFrom(...values);
/** Text put together from parts. */
export const text = (parts: Arbitrary<string>, maxLength: number): Arbitrary<string> =>
	fc.array(parts, { minLength: 1, maxLength }).map((all) => all.join(''));
/** A call of one builtin with random arguments. */
export const call = (name: string, ...args: Arbitrary<RegoValue>[]): Arbitrary<Call> =>
	fc.tuple(...args).map((values) => [name, ...values] as const);

/** Asks our builtins and OPA itself the same random calls, and fails for each that they answer differently. */
export async function compareWithOpa(t: Test, calls: Arbitrary<Call>, count: number): Promise<void> {
	const sample = fc.sample(calls, { numRuns: count, seed });
	const answers = await opaAnswers(sample.map(([name, ...args]) => `${name}(${args.map(toText).join(', ')})`));
	t.ok(answers.filter((answer) => answer !== undefined).length > count / 10, 'enough calls have an answer');
	for (const [i, [name, ...args]] of sample.entries()) {
		const ours = builtins[name]?.({ nowNs: 0n, memo: new Map() }, ...args);
		const [answer, ourAnswer] = [answers[i], ours === undefined ? undefined : termText(ours)];
		if (answer !== ourAnswer) t.equal(ourAnswer, answer, `${name}(${args.map(toText).join(', ')})`);
	}
}
