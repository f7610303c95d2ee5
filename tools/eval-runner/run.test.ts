import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../../gateway/test/until.ts';

const root = new URL('../../', import.meta.url).pathname;

interface End {
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs the eval runner as a process of its own, with nothing of this one's environment but the path. */
async function runner(
	t: Test,
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
	onStart: (pid: number) => void = () => undefined,
): Promise<End> {
	const child = spawn(process.execPath, [join(root, 'tools/eval-runner/main.ts'), ...args], {
		cwd: root,
		env: { PATH: process.env['PATH'], ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	t.teardown(() => child.kill('SIGKILL'));
	const text = { stdout: '', stderr: '' };
	for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (chunk: string) => (text[name] += chunk));
	onStart(child.pid!);
	const [code] = (await once(child, 'close')) as [number | null];
	return { code, ...text };
}

t.test(
	'every suite holds on one stack of its own, a known failure that holds is stale, and both reports say so',
	{ timeout: 280_000 },
	async (t) => {
		const folder = t.testdir();
		const suite = (name: string) => join(folder, `${name}.yaml`);
		for (const name of ['default', 'resilience', 'adversarial']) symlinkSync(join(root, `evalsuite/${name}.yaml`), suite(name));
		writeFileSync(
			suite('known'),
			'cases:\n  - { name: wrong, input: List the payouts, principal: eval-wrong@example.com, policyOutcome: allow, ledger: { refunds: 0 } }\n',
		);
		writeFileSync(
			join(folder, 'expected-failures.yaml'),
			'failures:\n  - { suite: known.yaml, case: wrong, because: nobody sees payouts }\n  - { suite: default.yaml, case: hidden tool, because: it was seen once }\n',
		);
		const [json, junit] = [join(folder, 'report.json'), join(folder, 'report.xml')];
		const files = ['default', 'resilience', 'adversarial', 'known'].map(suite);
		const { code, stdout, stderr } = await runner(t, [...files, '--fresh', '--parallel', '8', '--json', json, '--junit', junit]);
		t.equal(code, 1, stderr);
		const report = JSON.parse(readFileSync(json, 'utf8')) as {
			total: number;
			missed: number;
			cases: { case: string; verdict: string; misses: unknown }[];
		};
		const odd = report.cases.filter(({ verdict }) => verdict !== 'held');
		t.strictSame(
			odd.map((one) => [one.case, one.verdict]),
			[
				['hidden tool', 'stale'],
				['wrong', 'known'],
			],
			JSON.stringify(odd),
		);
		t.equal(report.missed, 1);
		t.ok(report.total >= 19);
		t.match(stdout, /^MCP Crash +list_recent_charges → allow → upstream_error$/m);
		t.match(stdout, /^Retry Storm +5 × allow, budgetExceeded$/m);
		t.match(stdout, /^Approval Timeout +list_recent_charges → allow, create_refund → approvalRequired → expired$/m);
		t.match(stdout, /hidden tool .*it was seen once\), and did not: delete its entry/);
		t.match(readFileSync(junit, 'utf8'), `tests="${report.total}" failures="1" skipped="1"`);
	},
);

t.test('usage and environment: one line each, exit code 2', async (t) => {
	const says = async (args: string[], env?: Record<string, string>) => {
		const { code, stderr } = await runner(t, args, env);
		t.equal(code, 2, args.join(' '));
		t.equal(stderr.trim().split('\n').length, 1, stderr);
		return stderr.trim();
	};
	t.equal(await says(['--name', 'nobody']), 'eval: no case has "nobody" in its name');
	t.match(await says(['evalsuite/none.yaml']), 'eval: evalsuite/none.yaml: no such file');
	t.equal(await says(['--json', '/nowhere/report.json']), "eval: /nowhere/report.json can't be written: ENOENT");

	// A docker of our own, which answers as the real one does.
	const bin = t.testdir();
	const withBin = { PATH: bin };
	t.match(await says(['--compose'], withBin), /^eval: Docker is not installed/);
	const fake = (script: string) => {
		mkdirSync(bin, { recursive: true });
		writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${script}\n`);
		chmodSync(join(bin, 'docker'), 0o755);
	};
	fake('echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2; exit 1');
	t.match(await says(['--compose'], withBin), /^eval: no Docker engine answers; start it: Cannot connect/);
	fake(`case "$*" in version*) echo 28;; *) echo "docker: 'compose' is not a docker command." >&2; exit 1;; esac`);
	t.match(await says(['--compose'], withBin), /^eval: `docker compose` is missing/);
	fake(
		`case "$*" in version*|"compose version"*) echo 28;; *) echo '{"Service":"gateway","State":"running","Health":"healthy"}'; echo '{"Service":"mock-lark","State":"exited","Health":""}';; esac`,
	);
	t.match(await says(['--compose'], withBin), /^eval: a compose stack is already there, half up: mock-lark is exited; take it down first/);

	t.match(await says([], { AGENT_PROVIDER: 'anthropic' }), /^eval: AGENT_PROVIDER is anthropic, and ANTHROPIC_API_KEY is not set/);
});

t.test('Ctrl-C ends at once with 130, and leaves no process and no folder behind', { timeout: 60_000 }, async (t) => {
	const tmp = t.testdir();
	let pid = 0;
	const ended = runner(t, ['--fresh', '--name', 'budget'], { TMPDIR: tmp }, (of) => (pid = of));
	await until('the first service to start', () => readdirSync(tmp).some((name) => existsSync(join(tmp, name, 'logs/localstripe.log'))));
	const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
	process.kill(pid, 'SIGINT');
	const { code } = await ended;
	t.equal(code, 130);
	t.strictSame(readdirSync(tmp), []);
	for (const child of children) t.notOk(existsSync(`/proc/${child}`), `process ${child} is gone`);
});
