import t from 'tap';
import { table } from '../table.ts';
import { ask, timeDecisions } from './decisions.ts';
import { compileRules, type Form, inputOf } from './many-rules.ts';
import { measure } from './section.ts';

t.test('the quick form has a figure for every kind of thing, and every decision is the right one', async (t) => {
	const { rows, figures } = await measure({ isQuick: true, say: () => {} });
	t.strictSame(Object.keys(figures), ['rules written one by one', 'rules written by tool', 'input', 'fuel', 'activation']);
	t.match(table(rows).split('\n')[3], /^rules written by tool +10 rules +[\d.]+ +[\d.]+ +1\.00 +\d+$/);
	t.match(table(rows), /^rules written by tool +20 rules .* ≤ 1\.2 /m);
});

t.test('what is measured is what it is said to be', async (t) => {
	for (const bytes of [300, 1_000, 64_000]) {
		const size = JSON.stringify(inputOf(5, bytes)).length;
		t.ok(size >= bytes && size < bytes + 100, `${size} bytes for ${bytes}`);
	}
	const fuelOf = async (form: Form, rules: number) => {
		const asked = await ask(await compileRules(form, rules), inputOf(5, 1_000), 'bench.rule_5');
		return timeDecisions(new Map([['it', asked]]), { rounds: 1, roundMs: 1 }).get('it')!.fuel;
	};
	// Work, counted: a machine that is busy with something else makes no difference.
	t.ok((await fuelOf('by tool', 200)) < 1.05 * (await fuelOf('by tool', 10)), 'rules kept by tool cost the same, however many there are');
	t.ok((await fuelOf('one by one', 200)) > 1.5 * (await fuelOf('one by one', 10)), 'rules written one by one are gone through');
	const wrong = await ask(await compileRules('by tool', 10), inputOf(5, 300), 'bench.rule_6');
	t.throws(() => timeDecisions(new Map([['it', wrong]]), { rounds: 1, roundMs: 1 }), /bench\.rule_6 did not decide/);
});
