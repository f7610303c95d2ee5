import t from 'tap';
import { compileRego } from '../compile-rego.ts';
import type { ConformanceCase } from './cases.ts';
import { discountEmptyPasses, type Judgement, judge } from './judge.ts';

const wasm = await compileRego('package judged\n\nvalue := {"set": {3, 1, 2}, "shout": urlquery.encode(input.word)}\n', ['judged/value']);

/** A case on the first entrypoint, as OPA's cases come out of the compiler. */
function caseOf(expectation: Partial<ConformanceCase>): ConformanceCase {
	return { file: 'f.yaml', note: 'n', sortBindings: false, strictError: false, input: '{"word":"a b"}', wasm, ...expectation };
}

const builtins = { 'urlquery.encode': (_ctx: unknown, word: unknown) => (typeof word === 'string' ? word.replace(' ', '+') : undefined) };

t.test('a case passes with exactly the bindings that it wants', async (t) => {
	const right = await judge(caseOf({ wantResult: '[{"result":{"set":[1,2,3],"shout":"a+b"}}]' }), { builtins });
	t.match(right, { passed: true, reason: '', hostBuiltins: ['urlquery.encode'], expectsNothing: false });
	t.ok(right.fuel > 1_000, 'measured on the metered module');
	const wrong = await judge(caseOf({ wantResult: '[{"result":{"set":[1,2],"shout":"a+b"}}]' }), { builtins });
	t.match(wrong, { passed: false, reason: /^expected .*\[1,2\].*, got .*\[1,2,3\]/ });
});

t.test('a builtin error must leave the query undefined, and a missing builtin fails the case', async (t) => {
	const strict = caseOf({ input: '{"word":1}', wantError: 'eval_builtin_error', strictError: true });
	t.match(await judge(strict, { builtins }), { passed: true, expectsNothing: true });
	t.match(await judge(strict, { builtins: { 'urlquery.encode': () => 'x' } }), { passed: false });
	t.match(await judge(strict, { builtins: {} }), { passed: false, reason: 'policy calls urlquery.encode, which is not provided' });
});

t.test('a conflict must throw, and nothing else counts as one', async (t) => {
	const conflicting = await compileRego('package judged\n\nclash := 1 if input.word\n\nclash := 2 if input.word\n', ['judged/clash']);
	t.match(await judge(caseOf({ wasm: conflicting, wantError: 'eval_conflict_error' }), { builtins }), { passed: true });
	t.match(await judge(caseOf({ wantError: 'eval_conflict_error' }), { builtins }), { passed: false });
	t.match(await judge(caseOf({ compileError: 'no', wantError: 'eval_conflict_error' }), { builtins }), { reason: 'does not compile: no' });
});

t.test('what passes by being undefined counts only where its builtins also gave a value', async (t) => {
	const judgement = (hostBuiltins: string[], expectsNothing: boolean): Judgement => {
		return { file: '', note: '', passed: true, reason: '', hostBuiltins, expectsNothing, fuel: 0 };
	};
	const judged = discountEmptyPasses([judgement(['a'], false), judgement(['a'], true), judgement(['a', 'b'], true), judgement([], true)]);
	t.strictSame(
		judged.map((j) => j.passed),
		[true, true, false, true],
	);
	t.equal(judged[2]?.reason, 'undefined as expected, but b never gave a value');
});
