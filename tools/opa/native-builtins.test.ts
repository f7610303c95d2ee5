import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createEvaluator } from '../../gateway/src/policy/evaluator.ts';
import { compileRego } from '../../gateway/test/compile-rego.ts';
import { checkPolicy, policyWarnings } from './check.ts';
import { runOpa } from './index.ts';
import { problemLine } from './problem.ts';

t.test('a use of what means something else in the gateway is a warning with its place, and no problem', async (t) => {
	const folder = t.testdir();
	mkdirSync(join(folder, 'rules/pay'), { recursive: true });
	writeFileSync(
		join(folder, 'rules/pay/pay.rego'),
		`package toolgate.rules.pay

finding contains {"rule": "pay.far", "verdict": "deny", "message": format_int(count(input.tool.name), 10)} if {
	not net.cidr_contains("10.0.0.0/8", input.principal.claims.ip)
	every text in input.principal.groups {
		base64.decode(text) != base64url.decode(text)
	}
	net.cidr_contains_matches("10.0.0.0/8", input.principal.claims.ip) != set()
}
`,
	);
	t.strictSame(await checkPolicy(folder), []);
	t.match(
		(await policyWarnings(folder)).map((warning) => problemLine(warning).replace(`${folder}/`, '')),
		[
			/^rules\/pay\/pay\.rego:3:68: warning: format_int: in the gateway, a number beyond ±2147483647 stops the policy, .*use sprintf.* \(toolgate\.rules\.pay\)$/,
			/^rules\/pay\/pay\.rego:4:6: warning: net\.cidr_contains: .* use net\.cidr_contains_matches/,
			/^rules\/pay\/pay\.rego:6:3: warning: base64\.decode: /,
		],
	);
	const listed = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
	for (const name of ['format_int', 'net.cidr_contains', 'base64.decode']) t.ok(listed.includes(`| \`${name}\``), `${name} is documented`);
});

t.test('the warnings are true: the compiled module differs from opa eval, and what they advise does not', async (t) => {
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
