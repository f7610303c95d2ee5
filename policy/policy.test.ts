import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Caller, Principal, Release, Tool, ToolCall } from '../gateway/src/domain.ts';
import { ENTRYPOINTS, readBundle } from '../gateway/src/policy/bundle.ts';
import { createInput } from '../gateway/src/policy/input.ts';
import { buildBundle } from '../tools/opa/build.ts';
import { checkPolicy, formatProblems } from '../tools/opa/check.ts';
import { PATIENTLY, runOpa } from '../tools/opa/index.ts';
import { callInput, type Decision, isDecision, isInput, listInput, load, policyDir } from './policy-fixture.ts';

const root = join(policyDir, '..');
const committed = join(root, 'bundles/toolgate.tar.gz');

for (const [folder, ...library] of [['policy'], ['examples/files/policy', 'policy/lib']] as const) {
	t.test(`${folder}: formatted, checked, tested, and every line of it by a test`, async (t) => {
		const path = join(root, folder);
		t.strictSame([...(await formatProblems(path)), ...(await checkPolicy(path))], []);
		const loaded = library.length === 0 ? ['--bundle', path] : [...library.map((part) => join(root, part)), path];
		const { code, stdout, stderr } = await runOpa(['test', ...PATIENTLY, '--coverage', '--format', 'json', ...loaded]);
		if (code !== 0) return t.fail(stdout + stderr);
		const { files } = JSON.parse(stdout) as { files: Record<string, { not_covered?: unknown }> };
		const missed = Object.entries(files).filter(([, { not_covered }]) => not_covered !== undefined);
		t.strictSame(missed, []);
	});
}

t.test('the committed bundle is what the sources give, byte for byte, wherever they lie', async (t) => {
	const elsewhere = join(t.testdir(), 'some/other place');
	cpSync(policyDir, elsewhere, { recursive: true });
	const out = join(t.testdirName, 'out/bundle.tar.gz');
	const { revision, version } = await buildBundle({ policyDir: elsewhere, out });
	t.ok(readFileSync(out).equals(readFileSync(committed)), 'not so: npm run policy:build, and commit bundles/');
	const bundle = await readBundle(committed);
	t.match({ revision, version }, { revision: bundle.revision, version: bundle.version });
	t.match(revision, /^sha256:[0-9a-f]{64}$/);
	t.equal(version, Number(readFileSync(join(policyDir, 'version'), 'utf8')));
	t.strictSame(new Set(bundle.entrypoints), new Set(ENTRYPOINTS));

	writeFileSync(
		join(elsewhere, 'rules/limits/limits.rego'),
		readFileSync(join(policyDir, 'rules/limits/limits.rego'), 'utf8').replace('five', 'some'),
	);
	t.not((await buildBundle({ policyDir: elsewhere, out })).revision, revision, 'another source, another revision');
	writeFileSync(join(elsewhere, 'rules/limits/limits.rego'), 'package toolgate.rules.limits\n\ndeny := true\n');
	const before = readFileSync(out);
	await t.rejects(buildBundle({ policyDir: elsewhere, out }), { name: 'PolicyProblems', message: /limits\.rego:3:1: nothing reads deny/ });
	t.ok(readFileSync(out).equals(before), 'a policy with problems leaves the last bundle alone');
	writeFileSync(join(elsewhere, 'version'), 'one');
	cpSync(join(policyDir, 'rules'), join(elsewhere, 'rules'), { recursive: true });
	await t.rejects(buildBundle({ policyDir: elsewhere, out }), { message: /version: expected one whole number/ });
});

t.test('the compiled policy decides as the default rules say', async (t) => {
	const decide = await load(await readBundle(committed));
	const verdict = (tool: string, groups: string[]): string => {
		const principal = { ...listInput.principal, groups };
		if (decide('list', { ...listInput, principal, tool: { ...listInput.tool, name: tool } }) !== true) return 'hidden';
		const decision = decide('call', { ...callInput, principal, tool: { ...listInput.tool, name: tool } });
		t.ok(isDecision(decision), `${tool}: ${JSON.stringify(isDecision.errors)}`);
		return (decision as Decision).verdict;
	};
	const table = [
		'list_recent_charges',
		'get_charge',
		'create_refund',
		'delete_customer',
		'send_lark_message',
		'list_payouts',
		'no_such_tool',
	];
	t.strictSame(
		table.map((tool) => verdict(tool, ['support'])),
		['budget', 'budget', 'approvalRequired', 'deny', 'budget', 'hidden', 'hidden'],
	);
	t.strictSame(
		table.map((tool) => verdict(tool, ['finance'])),
		table.map(() => 'hidden'),
	);
	const approval = {
		rule: 'payments.refund',
		requirement: { approvers: ['group:finance'], quorum: 1 },
		argumentsDigest: callInput.argumentsDigest,
		approvers: ['bob@example.com'],
		expiresAtMs: 1001,
	};
	t.match(decide('call', { ...callInput, approvals: [approval] }), { verdict: 'budget', approvals: [] });
	t.match(decide('call', { ...callInput, version: 999 }), { verdict: 'deny', reasons: [{ rule: 'toolgate.input' }] });
	t.equal(decide('list', { ...listInput, version: 999 }), false);
	t.match(decide('result', { ...callInput, result: { content: [] } }), { verdict: 'allow' });
	t.equal(decide('selftest', callInput), undefined);
	const { arguments: _, approvals: __, ...bare } = callInput;
	t.match(decide('call', bare), { verdict: 'approvalRequired' }, 'absent parts leave no rule out');
});

t.test('the schema of the input knows every field that the gateway gives, and only those', (t) => {
	const gateway = createInput({ nowMs: () => 1000.5, environment: 'test' });
	const caller: Caller = {
		principal: listInput.principal as Principal,
		agent: listInput.agent,
		session: { id: 's', turn: 't', era: 'legacy' },
	};
	const tool: Tool = {
		upstream: 'stripe',
		name: 'get_charge',
		listedName: 'get_charge',
		definition: {},
		digest: 'sha256:0',
		pinned: true,
		validate: () => undefined,
	};
	const call: ToolCall = {
		id: 'c',
		caller,
		name: 'get_charge',
		arguments: { charge: 'ch_1' },
		argumentsBytes: 17,
		message: {},
		downstream: { notify: () => undefined, cancelled: new AbortController().signal },
	};
	const release: Release = {
		rule: 'a.b',
		requirement: { approvers: ['group:a'], quorum: 1 },
		argumentsDigest: 'd',
		approvers: ['bob@example.com'],
		expiresAtMs: 1,
	};
	t.ok(isInput(gateway.list(caller, tool)), JSON.stringify(isInput.errors));
	t.ok(isInput(gateway.call(call, tool, 'd', [release])), JSON.stringify(isInput.errors));
	t.ok(isInput(listInput), JSON.stringify(isInput.errors));
	t.ok(isInput({ ...callInput, result: { content: [] } }), JSON.stringify(isInput.errors));
	t.notOk(isInput({ ...callInput, tool: { ...callInput.tool, nmae: 'x' } }));
	t.notOk(isInput({ ...callInput, version: 2 }));
	t.end();
});

t.test('the rules in README and docs are in order', async (t) => {
	for (const page of ['policy/README.md', 'docs/policy.md']) {
		const blocks = [...readFileSync(join(root, page), 'utf8').matchAll(/```rego\n(.*?)```/gs)].map(([, rego]) => rego!);
		const rules = blocks.filter((rego) => !/^package \S+_test$/m.test(rego));
		t.not(rules.length, 0, page);
		for (const rego of rules) {
			const folder = t.testdir({ 'rules.rego': rego });
			t.strictSame([...(await formatProblems(folder)), ...(await checkPolicy(folder))], [], /package .*/.exec(rego)![0]);
		}
	}
});
