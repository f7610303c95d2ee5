import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type Bundle, ENTRYPOINTS, readBundle } from '../gateway/src/policy/bundle.ts';
import { buildBundle } from '../tools/opa/build.ts';
import { checkPolicy, formatProblems } from '../tools/opa/check.ts';
import { runOpa } from '../tools/opa/index.ts';

type Json = Record<string, unknown>;
/** OPA's own SDK: what runs here has to run in any host of OPA bundles. */
interface LoadedPolicy {
	evaluate(input: Json, entrypoint: string): [{ result: unknown }?];
	setData(data: Json): void;
}
const { loadPolicy } = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as {
	loadPolicy(wasm: Uint8Array): Promise<LoadedPolicy>;
};

const root = fileURLToPath(new URL('..', import.meta.url));
const policyDir = join(root, 'policy');
const committed = join(root, 'bundles/toolgate.tar.gz');

const schemaOf = (name: string): Json => JSON.parse(readFileSync(join(policyDir, `schemas/${name}.json`), 'utf8')) as Json;
const ajv = new Ajv2020({ strict: false });
const isInput = ajv.compile(schemaOf('input'));
const isFinding = ajv.compile(schemaOf('finding'));
const isDecision = ajv.compile<Decision>(schemaOf('decision'));

interface Decision extends Json {
	readonly verdict: 'allow' | 'budget' | 'approvalRequired' | 'deny';
	readonly reasons: readonly { rule: string; message: string }[];
}

const listInput = {
	version: 1,
	principal: { id: 'alice@example.com', kind: 'user', groups: ['support'], claims: {} },
	agent: { id: 'billing-bot', name: 'Billing', version: '1.0' },
	server: { name: 'stripe' },
	tool: { name: 'create_refund', annotations: { destructiveHint: true }, definitionDigest: `sha256:${'0'.repeat(64)}`, pinned: true },
	time: { ms: 1000, iso: '1970-01-01T00:00:01.000Z', weekday: 'thursday', hour: 0, timezone: 'UTC' },
	environment: 'test',
};
const callInput = {
	...listInput,
	method: 'tools/call',
	session: { id: 's', turn: 't', era: 'legacy' },
	arguments: { charge: 'ch_1', amount: 1200 },
	argumentsDigest: `hmac-sha256:k:${'0'.repeat(64)}`,
	argumentsBytes: 31,
	approvals: [],
};

async function load(bundle: Bundle): Promise<(entrypoint: string, input: Json) => unknown> {
	const policy = await loadPolicy(bundle.wasm);
	policy.setData(bundle.data);
	return (entrypoint, input) => policy.evaluate(input, `toolgate/decision/${entrypoint}`)[0]?.result;
}

for (const [folder, ...library] of [['policy'], ['examples/files/policy', 'policy/lib']] as const) {
	t.test(`${folder}: formatted, checked, tested, and every line of it by a test`, async (t) => {
		const path = join(root, folder);
		t.strictSame([...(await formatProblems(path)), ...(await checkPolicy(path))], []);
		const loaded = library.length === 0 ? ['--bundle', path] : [...library.map((part) => join(root, part)), path];
		const { stdout, stderr } = await runOpa(['test', '--coverage', '--format', 'json', ...loaded]);
		const { coverage, not_covered_lines: missed } = JSON.parse(stdout || '{}') as { coverage?: number; not_covered_lines?: number };
		t.match({ coverage, missed }, { coverage: 100 }, stderr || stdout.slice(-2000));
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

t.test('the schema of the input knows every field, and only those', (t) => {
	t.ok(isInput(listInput), JSON.stringify(isInput.errors));
	t.ok(isInput({ ...callInput, result: { content: [] } }), JSON.stringify(isInput.errors));
	t.notOk(isInput({ ...callInput, tool: { ...callInput.tool, nmae: 'x' } }));
	t.notOk(isInput({ ...callInput, version: 2 }));
	t.end();
});

/** Sound findings of the team `probe`, and pieces that break them or not. */
const sound: Json[] = [
	{ rule: 'probe.deny', verdict: 'deny', message: 'no' },
	{
		rule: 'probe.ask',
		verdict: 'approvalRequired',
		message: 'ask',
		approval: { approvers: ['group:a', 'b@example.com'], quorum: 2, ttlSeconds: 9 },
	},
	{
		rule: 'probe.spend',
		verdict: 'budget',
		message: 'spend',
		budget: { by: ['tool', 'agent'], per: 'day', unit: 'cents', limit: 2 ** 53 - 1, cost: 1 },
	},
	{ rule: 'probe.calls', verdict: 'budget', message: 'calls', budget: { by: ['value:x'], per: 60, unit: 'calls', limit: 5 } },
	{
		rule: 'probe.note',
		verdict: 'allow',
		message: 'note',
		redact: [{ target: 'request', path: '/a', match: 'email', mode: 'mask' }],
		limits: { timeoutMs: 5 },
	},
];
const pieces = fc.oneof(
	fc.constantFrom<unknown>(
		'',
		'x',
		'/a',
		'probe.x',
		'other.x',
		'value:',
		'deny',
		'allow',
		'calls',
		'cents',
		'turn',
		'hash',
		'result',
		null,
		true,
		[],
		{},
		['tool'],
		{ pointer: '/a' },
	),
	fc.constantFrom<unknown>(0, -1, 1, 1.5, 60, 101, 2 ** 53 - 1, 2 ** 53, 1e300, 31622401),
);
const fields = [
	'rule',
	'verdict',
	'message',
	'approval',
	'budget',
	'redact',
	'limits',
	'approvers',
	'quorum',
	'ttlSeconds',
	'by',
	'per',
	'unit',
	'limit',
];
const names = fc.constantFrom(
	...fields,
	'cost',
	'timezone',
	'settle',
	'target',
	'path',
	'match',
	'mode',
	'timeoutMs',
	'maxResultBytes',
	'colour',
);
/** A sound finding with one part set, or removed (`undefined`), somewhere. */
const findings = fc.tuple(fc.constantFrom(...sound), names, fc.option(pieces, { nil: undefined })).map(([finding, name, piece]) => {
	const copy = structuredClone(finding);
	const holders = [copy, copy['approval'], copy['budget'], copy['limits'], (copy['redact'] as Json[] | undefined)?.[0]] as (
		| Json
		| undefined
	)[];
	const holder = holders.find((one) => one !== undefined && name in one) ?? copy;
	if (piece === undefined) delete holder[name];
	else holder[name] = piece;
	return copy;
});

/** The decision library with one team that says whatever the input tells it to. */
async function probe(t: Test): Promise<{ folder: string; bundle: Bundle }> {
	const folder = t.testdir();
	cpSync(join(policyDir, 'lib'), join(folder, 'policy/lib'), { recursive: true });
	const rule = join(folder, 'policy/rules/probe/probe.rego');
	mkdirSync(dirname(rule), { recursive: true });
	writeFileSync(
		rule,
		'package toolgate.rules.probe\n\nfinding contains item if some item in input.arguments.findings\n\nresult_finding contains item if some item in input.arguments.findings\n',
	);
	const out = join(folder, 'probe.tar.gz');
	const capabilities = join(policyDir, 'capabilities.json');
	const { code, stderr } = await runOpa([
		'build',
		'-t',
		'wasm',
		'--capabilities',
		capabilities,
		'--bundle',
		join(folder, 'policy'),
		'--output',
		out,
		'--ignore',
		'*_test.rego',
	]);
	if (code !== 0) throw new Error(stderr);
	return { folder, bundle: await readBundle(out) };
}

const ranks = ['allow', 'budget', 'approvalRequired', 'deny'];

t.test('library and schema agree what a finding is; every decision fits its schema; WebAssembly says what OPA says', async (t) => {
	const { folder, bundle } = await probe(t);
	const decide = await load(bundle);
	const isMalformed = ({ reasons }: Decision): boolean => reasons.some(({ rule }) => rule === 'probe.malformed');
	const seen = new Set<string>();
	fc.assert(
		fc.property(fc.array(findings, { maxLength: 4 }), (found) => {
			const input = { ...callInput, arguments: { findings: found } };
			const sounds = found.map((finding) => isFinding(finding) && (finding['rule'] as string).startsWith('probe.'));
			const decision = decide('call', input) as Decision;
			if (!isDecision(decision)) throw new Error(JSON.stringify(isDecision.errors));
			const expected = sounds.includes(false)
				? 'deny'
				: (ranks.findLast((verdict) => found.some((finding) => finding['verdict'] === verdict)) ?? 'allow');
			seen.add(`${decision.verdict} ${isMalformed(decision)}`);
			const result = decide('result', input);
			return (
				decision.verdict === expected &&
				isMalformed(decision) === sounds.includes(false) &&
				isDecision(result) &&
				['allow', 'deny'].includes(result.verdict)
			);
		}),
		{ numRuns: 1500 },
	);
	t.strictSame(
		[...seen].sort(),
		['allow false', 'approvalRequired false', 'budget false', 'deny false', 'deny true'],
		'the samples reach every end',
	);

	const cases = fc.sample(fc.array(findings, { maxLength: 4 }), 150).map((found) => ({ ...callInput, arguments: { findings: found } }));
	writeFileSync(join(folder, 'cases.json'), JSON.stringify({ cases }));
	const query =
		'[[call, result] | some one in data.cases; call := data.toolgate.decision.call with input as one; result := data.toolgate.decision.result with input as one]';
	const { stdout, stderr } = await runOpa([
		'eval',
		'--format',
		'raw',
		'--data',
		join(folder, 'policy'),
		'--data',
		join(folder, 'cases.json'),
		query,
	]);
	t.strictSame(
		cases.map((one) => [decide('call', one), decide('result', one)]),
		JSON.parse(stdout || `"${stderr}"`),
	);
});
