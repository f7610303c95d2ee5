import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import { readPacked } from './bundle-files.ts';
import { ENTRYPOINTS } from './bundle.ts';
import { Preparation } from './prepare.ts';

const library = join(import.meta.dirname, '../../../policy/lib');

const GRANT = `package toolgate.rules.pay

access contains "whoever is listed" if input.principal.id in data.toolgate.granted
`;

interface Sources {
	readonly rules?: string;
	readonly data?: object;
	/** A text of the library's decision.rego, and what stands in its place. */
	readonly library?: readonly [from: string, to: string];
	readonly flags?: readonly string[];
}

/** What plain `opa build` makes of the library and rules, as the gateway prepares it. */
async function prepared(t: Test, { rules = GRANT, data = { toolgate: { granted: ['alice'] } }, library: change, flags = [] }: Sources) {
	const dir = t.testdir({ 'rules.rego': rules, 'data.json': JSON.stringify(data) });
	cpSync(library, join(dir, 'lib'), { recursive: true, filter: (from) => !from.endsWith('_test.rego') });
	if (change !== undefined) {
		const file = join(dir, 'lib/decision/decision.rego');
		const source = readFileSync(file, 'utf8');
		if (!source.includes(change[0])) throw new Error(`the library does not say ${change[0]}`);
		writeFileSync(file, source.replace(...change));
	}
	const out = `${t.testdirName}.tar.gz`;
	const entrypoints = ENTRYPOINTS.flatMap((name) => ['-e', name]);
	const { code, stdout, stderr } = await runOpa(['build', '-t', 'wasm', '-b', dir, '-o', out, ...entrypoints, ...flags]);
	if (code !== 0) throw new Error(stderr || stdout);
	return preparation.prepare({ packed: await readPacked(out), gate: {}, fuel: 2_000_000 });
}

const preparation = new Preparation();
t.teardown(() => preparation.close());

t.test('a bundle of plain opa build passes, and its data decides', async (t) => {
	const judge = (await prepared(t, {}))!.judge;
	t.equal(judge.list({ version: 1, principal: { id: 'alice' } }), true);
	t.equal(judge.list({ version: 1, principal: { id: 'bob' } }), false);
});

t.test('an optimised bundle, which would go on granting what its data no longer grants, is refused', async (t) => {
	for (const level of ['1', '2']) {
		const built = prepared(t, { data: { toolgate: { granted: ['alice'], selftest: 'as it was' } }, flags: ['-O', level] });
		await t.rejects(
			built,
			{ code: 'BUNDLE', message: 'self-test: the module does not honour its data; build it without -O' },
			`-O ${level}`,
		);
		await t.rejects(
			prepared(t, { flags: ['-O', level] }),
			/undefined entrypoint data\.toolgate\.decision\.selftest/,
			'OPA itself gives up',
		);
	}
});

t.test('a library that was changed for the worse is refused by what it does', async (t) => {
	const cases: [Sources, RegExp][] = [
		[
			{ library: ['[denial("toolgate.input", "the input is not of version 1") | not input.version == 1]', '[]'] },
			/^self-test: an input of an unknown version is not denied$/,
		],
		[{ library: ['"limits": limits(', '"bounds": limits('] }, /^toolgate\/decision\/call did not answer a decision: the document must /],
		[
			{ library: ['	"version": 1,\n	"verdict"', '	"version": 2,\n	"verdict"'] },
			/^toolgate\/decision\/call did not answer a decision: \/version must /,
		],
		[{ library: ['default list := false', 'default list := "no"'] }, /^toolgate\/decision\/list answered neither true nor false$/],
		[{ library: ['selftest := data.toolgate.selftest', 'selftest := "as it was"'] }, /^self-test: the module does not honour its data/],
	];
	for (const [sources, message] of cases) await t.rejects(prepared(t, sources), { code: 'BUNDLE', message }, String(message));
});

t.test('rules that can not answer the plainest question are refused', async (t) => {
	const finding = (body: string) => `${GRANT}\nfinding contains {"rule": "pay.x", "verdict": "deny", "message": "no"} if {\n\t${body}\n}\n`;
	const cases: [string, RegExp][] = [
		[
			finding('some x in numbers.range(1, 9999); some y in numbers.range(1, 9999); x * y < 0'),
			/^policy stopped after 2000000 units of fuel \(in data\.toolgate\.rules\.pay\.finding\)$/,
		],
		[finding('limit == 1') + '\nlimit := 1 if input.version == 1\n\nlimit := 2 if input.version == 1\n', /conflict/],
		[
			finding('http.send({"method": "GET", "url": "http://127.0.0.1"}).status_code == 200'),
			/^the policy needs builtins that the gateway does not provide: http\.send$/,
		],
	];
	for (const [rules, message] of cases) await t.rejects(prepared(t, { rules }), { code: 'BUNDLE', message }, String(message));
});
