import { join } from 'node:path';
import t from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import { compileRego } from '../../test/compile-rego.ts';
import { createEvaluator } from './evaluator.ts';

t.test('what policy check warns of is true: the compiled module differs from opa eval, and what they advise does not', async (t) => {
	const cases: [query: string, differs: boolean][] = [
		['format_int(input.big, 10)', true],
		['format_int(input.small, 10)', false],
		['sprintf("%d", [input.big])', false],
		['net.cidr_contains("10.0.0.0/8", input.mapped)', true],
		['net.cidr_contains_matches("10.0.0.0/8", input.mapped) != set()', false],
		['net.cidr_contains("10.0.0.0/8", input.plain)', false],
		['base64.decode(input.unpadded)', true],
		['base64.encode(base64.decode(input.unpadded)) == input.unpadded', true],
		['base64.decode(input.padded)', false],
	];
	const input = { big: 2147483648, small: -2147483647, mapped: '::ffff:10.1.1.1', plain: '10.1.1.1', unpadded: 'YQ', padded: 'YQ==' };
	const source = `package n\n\n${cases.map(([query], index) => `r${index} := ${query}`).join('\n')}\n`;
	const evaluator = await createEvaluator(
		await compileRego(
			source,
			cases.map((_, index) => `n/r${index}`),
		),
		{},
	);
	const folder = t.testdir({ 'n.rego': source, 'input.json': JSON.stringify(input) });
	const { stdout } = await runOpa([
		'eval',
		'--format',
		'raw',
		'--data',
		join(folder, 'n.rego'),
		'--input',
		join(folder, 'input.json'),
		'data.n',
	]);
	const said = JSON.parse(stdout) as Record<string, unknown>;
	for (const [index, [query, differs]] of cases.entries()) {
		let answer: unknown;
		try {
			answer = evaluator.evaluate(input, `n/r${index}`);
		} catch (error) {
			answer = (error as Error).message;
		}
		t.equal(
			JSON.stringify(answer) !== JSON.stringify(said[`r${index}`]),
			differs,
			`${query}: ${JSON.stringify(answer)}, and OPA ${JSON.stringify(said[`r${index}`])}`,
		);
	}
});
