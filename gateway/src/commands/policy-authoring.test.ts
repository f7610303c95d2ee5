import { execFile } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));

function run(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
	return new Promise((resolve) => {
		execFile(process.execPath, [cli, ...args], { cwd }, (error, stdout, stderr) =>
			resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
		);
	});
}

t.test('a new project checks, tests and builds at once, and says what is wrong when something is', async (t) => {
	const dir = join(t.testdir(), 'demo');
	t.match(await run('.', 'init', dir), { code: 0, stdout: /next: cd / });
	t.match(await run('.', 'init', dir), { code: 2, stderr: /is not empty/ });
	t.match(readFileSync(join(dir, '.github/workflows/policy.yml'), 'utf8'), /policy test policy/);
	t.match(await run(dir, 'policy', 'check'), { code: 0, stdout: /good/ });
	t.match(await run(dir, 'policy', 'test'), { code: 0, stdout: /3 of 3 tests pass.*the compiled module agrees on 3 of 3/ });
	t.match(await run(dir, 'policy', 'build'), { code: 0, stdout: /built.*version 1 .*revision sha256:/ });
	const bundle = readFileSync(join(dir, 'bundles/toolgate.tar.gz'));
	await run(dir, 'policy', 'build');
	t.ok(bundle.equals(readFileSync(join(dir, 'bundles/toolgate.tar.gz'))), 'the same sources give the same bytes');

	const rules = join(dir, 'policy/rules/example/example.rego');
	const tests = join(dir, 'policy/rules/example/example_test.rego');
	const good = readFileSync(rules, 'utf8');
	const goodTests = readFileSync(tests, 'utf8');
	mkdirSync(join(dir, 'policy/cases'));
	const input = {
		version: 1,
		principal: { id: 'a', kind: 'user', groups: ['support'], claims: {} },
		server: { name: 's' },
		tool: { name: 'delete_customer' },
		arguments: {},
		approvals: [],
		time: { ms: 0 },
	};
	const cases = join(dir, 'policy/cases/delete.json');
	writeFileSync(cases, JSON.stringify([{ name: 'customers stay', input, list: true, verdict: 'deny', rules: ['example.delete'] }]));
	t.match(await run(dir, 'policy', 'test'), { code: 0, stdout: /agrees on 4 of 4/ });
	writeFileSync(cases, JSON.stringify([{ name: 'customers go', input, verdict: 'allow' }]));
	t.match(await run(dir, 'policy', 'test'), {
		code: 1,
		stderr: /customers go: verdict: expected "allow", and the compiled module gives "deny"/,
	});
	writeFileSync(cases, '{');
	t.match(await run(dir, 'policy', 'test'), { code: 1, stderr: /delete\.json: not JSON/ });
	rmSync(cases);

	// OPA's interpreter counts further than its compiled modules: what only `opa test` can do is a difference.
	appendFileSync(tests, '\ntest_interpreted_only if format_int(2147483648, 10) == "2147483648"\n');
	const differs = await run(dir, 'policy', 'test');
	t.match(differs, { code: 1, stderr: /compiled module gives/ });
	appendFileSync(tests, '\ntest_fails if 1 == 2\n');
	writeFileSync(tests, `${goodTests}\ntest_fails if 1 == 2\n`);
	t.match(await run(dir, 'policy', 'test'), {
		code: 1,
		stderr: /example_test\.rego:\d+: data\.toolgate\.rules\.example_test\.test_fails fails/,
	});
	writeFileSync(tests, goodTests);

	writeFileSync(rules, good.replace('"verdict": "deny"', '"verdict": "denied"'));
	t.match(await run(dir, 'policy', 'check'), { code: 1, stderr: /example\.rego:\d+:\d+: .*verdict/ });
	writeFileSync(rules, good.replace('input.tool.name == "get_charge"', 'input.tool.nome == "get_charge"'));
	t.match(await run(dir, 'policy', 'check'), { code: 1, stderr: /example\.rego:\d+:\d+: undefined ref: input\.tool\.nome/ });
	t.match(await run(dir, 'policy', 'build', '--out', 'never.tar.gz'), { code: 1, stderr: /undefined ref/ });
	writeFileSync(rules, good);
	t.match(await run(dir, 'policy', 'check', 'nowhere'), { code: 1, stderr: /nowhere: +no such folder/ });
});
