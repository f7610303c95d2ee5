import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type Bundle, readBundle } from '../gateway/src/policy/bundle.ts';
import { runOpa } from '../tools/opa/index.ts';
import { callInput, type Decision, isDecision, isFinding, type Json, load, policyDir } from './policy-fixture.ts';

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
