import t from 'tap';
import { citedTest, testNames } from './cited-tests.ts';
import { attacks, failureModes, invariants } from './tested-pages.ts';

const rows = [
	...attacks.map(({ number, attack, tests }) => ({ row: `attack ${number}: ${attack}`, tests })),
	...invariants.map(({ says, tests }) => ({ row: says, tests })),
	...failureModes.map(({ dependency, fault, tests }) => ({ row: `${dependency}: ${fault}`, tests })),
];

t.test('every attack, invariant and failure mode names tests, and each of them is there, once', async (t) => {
	for (const { row, tests } of rows) {
		t.ok(tests.length > 0, `${row}: no test holds it`);
		t.equal(new Set(tests.map(String)).size, tests.length, `${row}: a test is named twice`);
		for (const test of tests) t.doesNotThrow(() => citedTest(test), `${row}: ${test.join(', ')}…`);
	}
});

t.test('attacks are numbered from 1 without a gap, and a test that says which attack it shows is named by that one', async (t) => {
	t.same(
		attacks.map(({ number }) => number),
		attacks.map((_, index) => index + 1),
	);
	for (const file of new Set(rows.flatMap(({ tests }) => tests.map(([path]) => path)))) {
		for (const name of testNames(file)) {
			const [, number] = /^attack (\d+):/.exec(name) ?? [];
			if (number === undefined) continue;
			const named = attacks[Number(number) - 1]?.tests.map((test) => citedTest(test)) ?? [];
			t.ok(named.includes(name), `${file}: "${name}" is not among the tests of attack ${number}`);
		}
	}
});

t.test('a test that is gone, or could be another one, is an error that names it', async (t) => {
	t.throws(() => citedTest(['gateway/test/tested-pages.test.ts', 'no such']), { message: /tested-pages\.test\.ts has no test "no such…"/ });
	t.throws(() => citedTest(['gateway/test/nowhere.test.ts', 'a']), { message: /nowhere\.test\.ts has no test/ });
	t.throws(() => citedTest(['gateway/test/tested-pages.test.ts', '']), { message: /has 3 tests/ });
});
