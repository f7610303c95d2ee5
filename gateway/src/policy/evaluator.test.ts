import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { compileRego } from '../../test/compile-rego.ts';
import type { Builtins } from './builtins.ts';
import { BadInput, Conflict, EvaluationError, MissingBuiltin, OutOfFuel, OutOfMemory, UnsupportedModule } from './evaluation-error.ts';
import { createEvaluator } from './evaluator.ts';
import { meter } from './metering/meter.ts';
import { fromText, RegoSet } from './rego-value.ts';

// The package's types promise a default export that its CommonJS build doesn't have.
const sdk = createRequire(import.meta.url)('@open-policy-agent/opa-wasm');

const wasm = await compileRego(
	`package test

echo := input

same := data.kept

sets := {{1, 2}, {"a": {3}}, input.set}

keyed := {1: "one", [2]: "two"}

clash := 1 if input.a

clash := 2 if input.b

asked contains time.now_ns() if some _ in [1, 2, 3]

asked contains time.now_ns() if input.again

missing := uuid.rfc4122("x") if input.call

nested := json.patch(input.doc, [{"op": "add", "path": "x", "value": {input.n}}])

total := sum([x | some x in numbers.range(1, input.n)])

big := concat("", [s | some _ in numbers.range(1, input.n); s := data.text])
`,
	['echo', 'same', 'sets', 'keyed', 'clash', 'asked', 'missing', 'nested', 'total', 'big'].map((rule) => `test/${rule}`),
);

/** The error that `run` throws; fails where it throws none. */
function thrown(run: () => unknown): EvaluationError {
	try {
		run();
	} catch (error) {
		if (error instanceof EvaluationError) return error;
		throw error;
	}
	throw new Error('nothing was thrown');
}

t.test('input and data go in and come out exactly', async (t) => {
	const evaluator = await createEvaluator(wasm, { kept: 2n ** 64n });
	const input = {
		big: 12345678901234567890n,
		edge: [2 ** 53 - 1, 2n ** 53n, -(2n ** 70n)],
		small: [0.1, 1e-7, 1e21, -0.5, 5e-324],
		text: ['', 'é😀\u0000\u001f"\\', '__proto__', '12345678901234567890', ':3e5,'],
		['__proto__']: { x: null },
	};
	const echoed = evaluator.evaluate({ ...input, left: undefined }, 'test/echo') as typeof input;
	t.ok(isDeepStrictEqual(echoed, { ...input, small: [0.1, 1e-7, 10n ** 21n, -0.5, 5e-324] }), 'the same value');
	t.ok(Object.hasOwn(echoed, '__proto__'), 'as a key like any other');
	t.equal(evaluator.evaluate({}, 'test/same'), 2n ** 64n);
	t.strictSame(evaluator.resultSet(undefined, 'test/echo'), [], 'no input: undefined');
	t.equal(evaluator.evaluate(undefined, 'test/echo'), undefined);
	t.strictSame(evaluator.resultSet({}, evaluator.entrypoints.indexOf('test/echo')), [{ result: {} }], 'an entrypoint by its number');
});

t.test('sets come out as sorted arrays, keys that are no strings as their text', async (t) => {
	const evaluator = await createEvaluator(wasm, {});
	t.strictSame(evaluator.evaluate({ set: RegoSet.of([10, 9, 'x']) }, 'test/sets'), [{ a: [3] }, [1, 2], [9, 10, 'x']]);
	t.strictSame(evaluator.evaluate({}, 'test/keyed'), { '1': 'one', '[2]': 'two' });
});

t.test('builtins see sets and big integers, are asked once per evaluation, and share its clock', async (t) => {
	const calls: string[] = [];
	const builtins: Builtins = {
		'time.now_ns': (ctx) => {
			calls.push('now');
			return ctx.nowNs;
		},
		'json.patch': (_ctx, doc, patches) => {
			t.match(patches, [{ value: fromText('{9007199254740993}') }]);
			return [doc ?? null, RegoSet.of([2n ** 60n])];
		},
	};
	const evaluator = await createEvaluator(wasm, {}, { builtins });
	t.strictSame(evaluator.builtins, ['json.patch', 'time.now_ns', 'uuid.rfc4122']);
	t.strictSame(evaluator.missingBuiltins, ['uuid.rfc4122']);
	t.strictSame(evaluator.evaluate({ time: { ms: 1_700_000_000_001 }, again: true }, 'test/asked'), [1_700_000_000_001_000_000n]);
	t.equal(calls.length, 1);
	evaluator.evaluate({}, 'test/asked');
	t.equal(calls.length, 2, 'the next evaluation asks again');
	t.strictSame(evaluator.evaluate({ doc: null, n: 9007199254740993n }, 'test/nested'), [null, [2n ** 60n]]);
});

t.test('a builtin that answers undefined makes the rule undefined', async (t) => {
	const evaluator = await createEvaluator(wasm, {}, { builtins: { 'json.patch': () => undefined } });
	t.strictSame(evaluator.resultSet({ doc: {}, n: 1 }, 'test/nested'), []);
});

t.test('what is no plain object of JSON is refused by name and place, and costs nothing', async (t) => {
	const evaluator = await createEvaluator(wasm, {});
	const cyclic: Record<string, unknown> = {};
	cyclic['self'] = cyclic;
	const bad: [unknown, RegExp][] = [
		[null, /^input is null, not a plain object$/],
		['{}', /^input is a string, not/],
		[[], /^input is an array, not/],
		[new Uint8Array(2), /^input is a Uint8Array, not/],
		[new Date(), /^input is a Date, not/],
		[{ a: { b: ['', '\ud800'] } }, /^input\.a\.b\[1\] is not well-formed Unicode$/],
		[{ a: { '\udc00': 1 } }, /^input\.a\.\ufffd is under a key that is not well-formed Unicode$/],
		[{ a: Number.NaN }, /^input\.a is NaN, not a finite number$/],
		[{ a: [Infinity] }, /^input\.a\[0\] is Infinity/],
		[{ a: [undefined] }, /^input\.a\[0\] is undefined$/],
		[{ a: () => 1 }, /^input\.a is a function$/],
		[{ a: new Map() }, /^input\.a is a Map$/],
		[cyclic, /^input(\.self){8}… is nested deeper than 512 levels$/],
	];
	for (const [input, message] of bad) {
		const error = thrown(() => evaluator.evaluate(input as object, 'test/echo'));
		t.type(error, BadInput);
		t.match(error.message, message);
	}
	const nested = (levels: number) => ({ doc: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) });
	t.strictSame(evaluator.evaluate(nested(511), 'test/echo'), nested(511), 'the deepest that is allowed works');
	t.match(thrown(() => evaluator.evaluate(nested(512), 'test/echo')).message, /deeper than 512/);
	t.match(thrown(() => evaluator.evaluate({}, 'test/none')).message, /no entrypoint "test\/none"/);
	t.match(thrown(() => evaluator.evaluate({}, 99)).message, /no entrypoint 99/);
	t.match(thrown(() => evaluator.evaluate({}, -1)).message, /no entrypoint -1/);
	t.match(thrown(() => evaluator.setData([])).message, /^data is an array/);
	await t.rejects(createEvaluator(wasm, { a: '\ud800' }), { message: 'data.a is not well-formed Unicode' });
	const any = await createEvaluator(wasm, {}, { anyInput: true });
	t.equal(any.evaluate('text' as unknown as object, 'test/echo'), 'text', 'unless the caller says that any value may come');
});

t.test('whatever comes as input, it is evaluated as it is or refused as bad input', async (t) => {
	const evaluator = await createEvaluator(wasm, {}, { anyInput: true });
	const hostile = fc.anything({
		withBigInt: true,
		withDate: true,
		withMap: true,
		withNullPrototype: true,
		withSparseArray: true,
		key: fc.string({ unit: 'binary' }),
	});
	let refused = 0;
	fc.assert(
		fc.property(hostile, (input) => {
			try {
				evaluator.evaluate(input as object, 'test/echo');
			} catch (error) {
				if (!(error instanceof BadInput)) throw error;
				refused++;
			}
		}),
		{ numRuns: 2_000 },
	);
	t.ok(refused > 100 && refused < 1_900, 'both happen');
});

t.test('an instance that threw is replaced: thousands of throws leave answers, data and memory as they were', async (t) => {
	const builtins: Builtins = { 'json.patch': () => '\ud800' };
	const evaluator = await createEvaluator(wasm, { kept: { yes: [1] } }, { builtins });
	const rssBefore = process.memoryUsage.rss();
	for (let i = 0; i < 1_500; i++) {
		const conflict = thrown(() => evaluator.evaluate({ a: 1, b: 1 }, 'test/clash'));
		if (!(conflict instanceof Conflict)) t.fail(`conflict ${i}: ${conflict}`);
		const surrogate = thrown(() => evaluator.evaluate({ doc: 1, n: 1 }, 'test/nested'));
		if (surrogate.code !== 'aborted') t.fail(`surrogate ${i}: ${surrogate}`);
		if (thrown(() => evaluator.evaluate({ a: '\ud800' }, 'test/echo')).code !== 'bad_input') t.fail(`input ${i}`);
	}
	t.match(
		thrown(() => evaluator.evaluate({ a: 1, b: 1 }, 'test/clash')),
		{
			message: /^policy\.rego:\d+:\d+: var assignment conflict$/,
			rule: 'data.test.clash',
		},
	);
	t.equal(evaluator.evaluate({ a: 1 }, 'test/clash'), 1);
	t.strictSame(evaluator.evaluate({}, 'test/same'), { yes: [1] });
	const missing = thrown(() => evaluator.evaluate({ call: true }, 'test/missing'));
	t.match(missing, { code: 'missing_builtin', builtin: 'uuid.rfc4122' });
	t.type(missing, MissingBuiltin);
	t.equal(evaluator.evaluate({}, 'test/missing'), undefined, 'it matters only where it is called');
	t.ok(process.memoryUsage.rss() - rssBefore < 256 * 2 ** 20, 'memory is bounded');
});

t.test('memory has a maximum, for input, data and evaluation, and an answer does not depend on what was evaluated before', async (t) => {
	const evaluator = await createEvaluator(wasm, { text: 'x'.repeat(10_000) }, { maxMemoryPages: 64, fuel: 50_000_000 });
	const measure = () => [evaluator.evaluate({ n: 100 }, 'test/total'), evaluator.fuelUsed];
	const before = measure();
	const full = thrown(() => evaluator.evaluate({ n: 1_000 }, 'test/big'));
	t.type(full, OutOfMemory);
	t.equal(full.message, 'policy needs more than its 4 MiB of memory');
	t.type(
		thrown(() => evaluator.evaluate({ text: 'é'.repeat(3_000_000) }, 'test/echo')),
		OutOfMemory,
	);
	t.type(
		thrown(() => evaluator.setData({ text: 'x'.repeat(5_000_000) })),
		OutOfMemory,
	);
	t.equal((evaluator.evaluate({ n: 2 }, 'test/big') as string).length, 20_000, 'the old data is still there');
	t.strictSame(measure(), before);
});

t.test('data is replaced as a whole, and stays when the new one is refused', async (t) => {
	const evaluator = await createEvaluator(wasm, { kept: 1 });
	evaluator.setData({ kept: { a: 'x'.repeat(100_000) } });
	t.strictSame(evaluator.evaluate({}, 'test/same'), { a: 'x'.repeat(100_000) });
	evaluator.setData({});
	t.equal(evaluator.evaluate({}, 'test/same'), undefined);
	evaluator.setData({ kept: 2 });
	t.throws(() => evaluator.setData({ kept: Number.NaN }), BadInput);
	t.equal(evaluator.evaluate({}, 'test/same'), 2);
});

t.test('a module that is not a metered policy is refused', async (t) => {
	const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
	await t.rejects(createEvaluator(empty, {}), /not a policy compiled by OPA: it doesn't export opa_eval/);
	await t.rejects(createEvaluator(new Uint8Array([1, 2, 3]), {}), UnsupportedModule);
	await t.rejects(createEvaluator(new Uint8Array([1, 2, 3]), {}, { metered: false }), /not a WebAssembly module/);
	await t.rejects(createEvaluator(await WebAssembly.compile(wasm), {}), /not metered/);
	await t.rejects(createEvaluator(wasm, {}, { maxMemoryPages: 1 }), /the module does not start: .*memory/);
	t.equal((await createEvaluator(wasm, { kept: 3 }, { fuel: Infinity })).evaluate({}, 'test/same'), 3, 'no limit is the highest limit');
	const shared = await WebAssembly.compile(meter(wasm));
	const both = await Promise.all([createEvaluator(shared, { kept: 1 }), createEvaluator(shared, { kept: 2 })]);
	t.strictSame(
		both.map((evaluator) => evaluator.evaluate({}, 'test/same')),
		[1, 2],
		'a compiled module serves many evaluators',
	);
	const third = await createEvaluator(shared, {}, { dataImage: structuredClone(both[0]!.dataImage) });
	t.equal(third.evaluate({}, 'test/same'), 1, 'and so does data that one of them has parsed');
	const other = await createEvaluator(await compileRego('package other\n\nfine := input', ['other/fine']), {});
	await t.rejects(createEvaluator(shared, {}, { dataImage: other.dataImage }), /parsed by another module/);
});

t.test('runaway policies of nine kinds are stopped, every time, and the next call works', async (t) => {
	const runaways: Record<string, string> = {
		joining: 'count([1 | some a in input.rows; some b in input.rows; some c in input.rows; a + b == c]) > 0',
		counting: 'count(numbers.range(1, 1000000000)) > 0',
		comparing: 'every a in input.rows { every b in input.rows { every c in input.rows { a * b * c >= 0 } } }',
		walking: 'count([p | some _ in input.rows; some _ in input.rows; walk(input, [p, _])]) > 0',
		matching: 'count([1 | some a in input.rows; some b in input.rows; regex.match(`^(a+)+$`, sprintf("%s%d%d", [input.text, a, b]))]) > 0',
		replacing: 'count([s | some a in input.rows; some b in input.rows; s := replace(input.text, "a", format_int(a + b, 10))]) > 0',
		calling: 'count([s | some a in input.rows; some b in input.rows; s := sprintf("%d-%d", [a, b])]) > 0',
		reaching: 'count([r | some a in input.rows; r := graph.reachable(input.graph, {format_int(a, 10)})]) > 0',
		multiplying: 'product([x | some x in numbers.range(1, 100000)]) > 0',
	};
	const rules = Object.entries(runaways).map(([name, body]) => `${name} if ${body}`);
	const names = Object.keys(runaways).map((name) => `runaway/${name}`);
	const policy = await compileRego(`package runaway\n\n${rules.join('\n\n')}\n\nfine := input.rows[1]\n`, [...names, 'runaway/fine']);
	const evaluator = await createEvaluator(policy, {});
	const keys = Array.from({ length: 100 }, (_, i) => String(i));
	const input = {
		rows: Array.from({ length: 300 }, (_, i) => i),
		text: 'a'.repeat(2_000),
		graph: Object.fromEntries(keys.map((key) => [key, keys])),
	};
	for (const name of names) {
		for (const round of ['first', 'second']) {
			const error = thrown(() => evaluator.evaluate(input, name));
			t.type(error, OutOfFuel, `${name}, ${round} time: ${error.message}`);
			t.match(error, { code: 'out_of_fuel', message: 'policy stopped after 2000000 units of fuel' });
		}
		t.equal(evaluator.evaluate(input, 'runaway/fine'), 1);
	}
	t.match(thrown(() => evaluator.evaluate(input, 'runaway/joining')).rule, 'data.runaway.joining', 'it says whose rule it was');
	const tight = await createEvaluator(policy, {}, { fuel: 100 });
	t.type(
		thrown(() => tight.evaluate(input, 'runaway/fine')),
		OutOfFuel,
	);
});

t.test('metered, plain and the reference SDK agree', async (t) => {
	const source = `package same

shapes := {"array": [x | some x in input.list], "keys": sort(object.keys(input.doc)), "type": type_name(input.any)}

numbers := sort({m | some n in input.list; m := n * 2})

text := concat("/", [upper(s) | some s in input.words])

paths := sort([p | walk(input.doc, [p, _])])

merged := object.union(input.doc, {"added": {"deep": count(input.list)}})

chosen := "many" if {
	count(input.list) > 3
} else := "some" if {
	count(input.list) > 0
}

grouped[k] := sort({v | some i, v in input.list; i % 3 == k}) if some k in [0, 1, 2]

with_data := [d | some d in data.rows; d.n > input.n]
`;
	const rules = ['shapes', 'numbers', 'text', 'paths', 'merged', 'chosen', 'grouped', 'with_data'];
	const policy = await compileRego(
		source,
		rules.map((rule) => `same/${rule}`),
	);
	const data = { rows: [{ n: 1 }, { n: 5, label: 'é' }] };
	const metered = await createEvaluator(policy, data);
	const plain = await createEvaluator(policy, data, { metered: false });
	const reference = await sdk.loadPolicy(policy);
	reference.setData(data);

	const number = fc.oneof(
		fc.integer(),
		fc.double({ noNaN: true, min: -1e6, max: 1e6 }).filter((n) => !Object.is(n, -0)),
	);
	const word = fc.string({ unit: 'grapheme', maxLength: 6 });
	const leaf = fc.oneof(number, word, fc.boolean(), fc.constant(null));
	const input = fc.record({
		list: fc.array(number, { maxLength: 6 }),
		words: fc.array(word, { maxLength: 4 }),
		doc: fc.dictionary(word, fc.oneof(leaf, fc.array(leaf), fc.dictionary(word, leaf))),
		any: leaf,
		n: number,
	});
	fc.assert(
		fc.property(input, (sample) => {
			for (const rule of rules) {
				const expected: unknown = reference.evaluate(sample, `same/${rule}`)[0]?.result;
				for (const evaluator of [metered, plain]) {
					const actual = evaluator.evaluate(sample, `same/${rule}`);
					if (!isDeepStrictEqual(actual, expected)) throw new Error(`${rule}: ${JSON.stringify({ expected, actual })}`);
				}
			}
		}),
		{ numRuns: 300 },
	);
	t.equal(plain.fuelUsed, 0);
	t.ok(metered.fuelUsed > 0);
});
