import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { parse as parseYaml } from 'yaml';
import { PATIENTLY, runOpa } from '../../../tools/opa/index.ts';
import { run } from './command-fixture.ts';

interface Project {
	readonly dir: string;
	readonly policy: string;
	readonly bundle: string;
	/** The rules and tests of the example team, and how to write them anew. */
	readonly rules: { readonly file: string; readonly text: string };
	readonly tests: { readonly file: string; readonly text: string };
}

async function project(t: Test): Promise<Project> {
	const dir = join(t.testdir(), 'demo');
	await run('init', dir);
	const policy = join(dir, 'policy');
	const source = (name: string) => ({
		file: join(policy, 'rules/example', name),
		text: readFileSync(join(policy, 'rules/example', name), 'utf8'),
	});
	return { dir, policy, bundle: join(dir, 'bundle.tar.gz'), rules: source('example.rego'), tests: source('example_test.rego') };
}

/** What the JSON output says. */
const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await run(...args, '--json')).stdout) as T;

t.test('a new project is in order from the start', async (t) => {
	const dir = join(t.testdir(), 'demo');
	t.match(await run('init', dir), { code: 0, stdout: /made.*demo\nnext: cd / });
	t.match(await run('init', dir), { code: 2, stderr: /^toolgate: .*demo is not empty; name a new folder/ });
	const policy = join(dir, 'policy');
	const opa = await runOpa(['test', ...PATIENTLY, '--bundle', policy]);
	t.equal(opa.code, 0, `opa test: ${opa.stdout}${opa.stderr}`);
	t.match(await run('policy', 'check', policy), { code: 0, stdout: /^good {2}.*policy$/, stderr: '' });
	t.match(await run('policy', 'test', policy), {
		code: 0,
		stdout: /3 of 3 tests pass, \d+ % of the lines covered; the compiled module agrees on 3 of 3/,
	});
	const bundle = join(dir, 'one.tar.gz');
	t.match(await run('policy', 'build', policy, '--out', bundle), {
		code: 0,
		stdout: /^built {2}.*one\.tar\.gz {2}version 1 {2}revision sha256:/,
	});
	const built = await json<object>('policy', 'build', policy, '--out', join(dir, 'two.tar.gz'));
	t.match(built, { out: /two\.tar\.gz$/, version: 1, revision: /^sha256:/, bytes: Number });
	t.ok(readFileSync(bundle).equals(readFileSync(join(dir, 'two.tar.gz'))), 'the same sources give the same bytes');
	t.match(await run('bundle', 'inspect', bundle), {
		code: 0,
		stdout: /^package +toolgate\.rules\.example {2}Example\n +rule +example\.delete$/m,
	});

	const { jobs } = parseYaml(readFileSync(join(dir, '.github/workflows/policy.yml'), 'utf8')) as {
		jobs: { policy: { steps: { run?: string }[] } };
	};
	const steps = jobs.policy.steps.flatMap(({ run: step }) => step ?? []);
	for (const step of ['check', 'test', 'build'])
		t.ok(
			steps.some((each) => each.includes(`bin/toolgate policy ${step} policy`)),
			`the workflow has ${step}`,
		);
	for (const file of ['README.md', 'toolgate.yaml', '.github/workflows/policy.yml'])
		t.notMatch(readFileSync(join(dir, file), 'utf8'), /npx toolgate/, `${file}: that name on npm is somebody else's`);
});

t.test('the command line ends with what its commands end with', async (t) => {
	const cli = join(import.meta.dirname, '../cli.ts');
	const end = await promisify(execFile)(process.execPath, [cli, 'policy', 'check', 'nowhere']).catch((error: object) => error);
	t.match(end, { code: 1, stdout: '', stderr: 'nowhere: no such folder\ntoolgate: 1 problem in nowhere\n' });
});

t.test('what is wrong comes with file, line, column, rule, and what to do', async (t) => {
	const { policy, bundle, rules } = await project(t);
	const cases: [from: string, to: string, says: RegExp][] = [
		['finding contains {', 'finding contains {{', /^.*example\.rego:\d+:\d+: unexpected if keyword/],
		[
			'"verdict": "deny"',
			'"verdict": "denied"',
			/^.*example\.rego:\d+:\d+: .*verdict is one of deny, .* \(toolgate\.rules\.example\.finding\)\n/,
		],
		[
			'	"message": "customers are not deleted by agents",\n',
			'',
			/^.*example\.rego:\d+:\d+: .*message.* \(toolgate\.rules\.example\.finding\)\n/,
		],
		['	"rule": "example.delete",\n', '', /^.*example\.rego:\d+:\d+: .*rule.* \(toolgate\.rules\.example\.finding\)\n/],
		[
			'input.tool.name == "get_charge"',
			'input.tool.nome == "get_charge"',
			/^.*example\.rego:\d+:\d+: undefined ref: input\.tool\.nome; there is: .*name/,
		],
		[
			'input.tool.name == "get_charge"',
			'input.arguments.charge == "x"',
			/^.*example\.rego:\d+:\d+: access decides the list too, .*say it in a finding/,
		],
		[
			'input.tool.name == "get_charge"',
			'http.send({"url": "x", "method": "GET"})',
			/^.*example\.rego:\d+:\d+: undefined function http\.send/,
		],
		[
			'package toolgate.rules.example',
			'package toolgate.rules.example.deep',
			/^.*example\.rego:\d+:\d+: package toolgate\.rules\.example\.deep: .*exactly one level/,
		],
	];
	for (const [from, to, says] of cases) {
		if (!rules.text.includes(from)) throw new Error(`the example does not say ${from}`);
		writeFileSync(rules.file, rules.text.replace(from, to));
		t.match(await run('policy', 'check', policy), { code: 1, stderr: says }, to);
	}
	const [problem] = await json<object[]>('policy', 'check', policy);
	t.match(problem, { file: /example\.rego$/, line: Number, column: Number, message: /exactly one level/ });
	t.match(await run('policy', 'test', policy), { code: 1, stderr: /example\.rego:\d+:\d+: .*exactly one level/ });
	t.match(await run('policy', 'build', policy, '--out', bundle), { code: 1, stderr: /example\.rego:\d+:\d+: .*exactly one level/ });
	t.notOk(existsSync(bundle), 'nothing is built of it');

	writeFileSync(rules.file, rules.text.replace('finding contains {', 'finding   contains {'));
	t.match(await run('policy', 'check', policy), { code: 1, stderr: /example\.rego: not formatted: opa fmt --write/ });
	writeFileSync(
		rules.file,
		`${rules.text}\nfinding contains {"rule": "example.long", "verdict": "deny", "message": "no"} if format_int(count(input.tool.name), 10) == "99"\n`,
	);
	t.match(await run('policy', 'check', policy), {
		code: 0,
		stdout: /^good/,
		stderr: /^.*example\.rego:\d+:\d+: warning: format_int: in the gateway/,
	});
	t.match(await json('policy', 'check', policy), [{ severity: 'warning', line: Number, column: Number }]);
	t.match(await run('policy', 'build', policy, '--out', join(rules.file, 'b.tar.gz')), {
		code: 2,
		stderr: /^(?:.*warning.*\n)?toolgate: .*example\.rego\/b\.tar\.gz can't be written \(E[A-Z]+\)$/,
	});
	writeFileSync(join(policy, 'version'), 'two');
	t.match(await run('policy', 'build', policy, '--out', bundle), { code: 1, stderr: /policy\/version: expected one whole number$/ });
});

t.test('tests run on the compiled module too, and the first difference has its place', async (t) => {
	const { policy, tests } = await project(t);
	writeFileSync(tests.file, `${tests.text}\ntest_fails if 1 == 2\n`);
	t.match(await run('policy', 'test', policy), {
		code: 1,
		stdout: /^3 of 4 tests pass.*agrees on 4 of 4$/,
		stderr: /^.*example_test\.rego:\d+:1: data\.toolgate\.rules\.example_test\.test_fails fails\ntoolgate: 1 failing, 0 different/,
	});
	// OPA's interpreter counts further than its compiled modules: what only `opa test` can do is a difference.
	writeFileSync(tests.file, `${tests.text}\ntest_only_interpreted if format_int(2147483648, 10) == "2147483648"\n`);
	t.match(await run('policy', 'test', policy), {
		code: 1,
		stderr:
			/^.*example_test\.rego:\d+:1: data\.toolgate\.rules\.example_test\.test_only_interpreted: expected true, and the compiled module gives "policy aborted/,
	});
	t.match(await json('policy', 'test', policy), {
		tests: 4,
		failing: [],
		mismatches: [{ place: /example_test\.rego:\d+:1$/, what: 'data.toolgate.rules.example_test.test_only_interpreted', expected: 'true' }],
	});
	writeFileSync(tests.file, tests.text.replaceAll('test_', 'todo_test_'));
	t.match(await run('policy', 'test', policy), { code: 1, stderr: /there is no test in .*: add a file that ends in _test\.rego/ });
});

t.test('cases are asked of the bundle itself', async (t) => {
	const { policy } = await project(t);
	const input = {
		version: 1,
		principal: { id: 'a', kind: 'user', groups: ['support'], claims: {} },
		server: { name: 's' },
		tool: { name: 'delete_customer' },
		arguments: {},
		approvals: [],
		time: { ms: 0 },
	};
	mkdirSync(join(policy, 'cases'));
	const cases = join(policy, 'cases/delete.json');
	writeFileSync(cases, JSON.stringify([{ name: 'customers stay', input, list: true, verdict: 'deny', rules: ['example.delete'] }]));
	t.match(await run('policy', 'test', policy), { code: 0, stdout: /agrees on 4 of 4/ });
	const bad: [text: string, says: RegExp][] = [
		[
			JSON.stringify([{ name: 'customers go', input, verdict: 'allow' }]),
			/^.*cases\/delete\.json: customers go: verdict: expected "allow", and the compiled module gives "deny"\n/,
		],
		['{', /^toolgate: .*delete\.json: not JSON: /],
		['{}', /^toolgate: .*delete\.json: expected a list of cases$/],
		['[{"name": "x"}]', /^toolgate: .*delete\.json: case 0: expected name and input$/],
	];
	for (const [text, says] of bad) {
		writeFileSync(cases, text);
		t.match(await run('policy', 'test', policy), { code: 1, stderr: says });
	}
});
