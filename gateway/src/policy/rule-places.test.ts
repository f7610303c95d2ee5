import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import { readBundle } from './bundle.ts';
import { misplacedIn } from './rule-places.ts';

const library = join(import.meta.dirname, '../../../policy/lib');

t.test('rules that the library would not ask for are told, however their package is written', (t) => {
	const rule = 'finding contains {"rule": "a.b"} if true\n';
	const misplaced: [string, RegExp][] = [
		[`package toolgate.rules.a.b\n${rule}`, /^package toolgate\.rules\.a\.b would never be asked; a team has one package/],
		[`# why\n\n  # more # and more\npackage toolgate.rules.a.b\n`, /^package toolgate\.rules\.a\.b would/],
		[`package # here\n\ttoolgate.rules.a["b c"]\n`, /^package toolgate\.rules\.a\["b c"\] would/],
		['package toolgate["rules"].a[`b`]\n', /would never be asked/],
		['package toolgate["\\u0072ules"].a.b\n', /would never be asked/],
		[`\ufeffpackage toolgate.rules\n${rule}`, /^package toolgate\.rules would never be asked/],
		[
			`package toolgate.rules.a\n\ndeep.${rule}`,
			/^toolgate\.rules\.a\.deep\.finding would never be asked; the sets of a team stand directly/,
		],
		[`package toolgate.rules.a\n\n\tdeep["x y"].access contains "x"\n`, /^toolgate\.rules\.a\.deep\.x y\.access would/],
		[`package toolgate\n\nrules.${rule}`, /^toolgate\.rules\.finding would never be asked/],
		['allow := true\n', /^its package can not be told$/],
		['', /^its package can not be told$/],
	];
	for (const [source, why] of misplaced) t.match(misplacedIn(source), why, source);
	const inPlace = [
		`package toolgate.rules.a\n${rule}`,
		`package toolgate.rules["a"]\n${rule}`,
		`package toolgate\n\nrules.a.${rule}`,
		`package toolgate.rules.a\n\nothers.b contains 1\n\nx if "deep.finding contains x" == input.arguments.text\n`,
		'package toolgate.rules_of_old.a.b\n',
		'package a.b.c.d.e\n',
	];
	for (const source of inPlace) t.equal(misplacedIn(source), undefined, source);
	const began = performance.now();
	misplacedIn(`${'#'.repeat(200_000)}\n${'# # '.repeat(50_000)}`);
	misplacedIn(`package ${'a["'.repeat(50_000)}`);
	t.ok(performance.now() - began < 10_000, 'in linear time');
	t.end();
});

t.test('a plain opa build of rules that would not be heard is refused', async (t) => {
	const dir = t.testdir({ rules: {} });
	const out = join(dir, 'bundle.tar.gz');
	const built = async (files: Readonly<Record<string, string>>, ...flags: string[]) => {
		const rules = join(dir, `rules-${Object.keys(files)[0]!.replaceAll('/', '-')}`);
		mkdirSync(rules);
		for (const [name, text] of Object.entries(files)) writeFileSync(join(rules, name), text);
		const { code, stderr } = await runOpa(['build', '-t', 'wasm', '--ignore', '*_test.rego', '-o', out, ...flags, library, rules]);
		if (code !== 0) throw new Error(stderr);
		return readBundle(out);
	};
	const deny = (name: string, set = 'finding') =>
		`package ${name}\n\n${set} contains {"rule": "pay.no", "verdict": "deny", "message": "no"} if input.version == 1\n`;
	t.match(await built({ 'good.rego': deny('toolgate.rules.pay') }), { version: 0 });
	await t.rejects(built({ 'deep.rego': deny('toolgate.rules.pay.sub') }), {
		code: 'BUNDLE',
		message: /rules-deep\.rego\/deep\.rego: package toolgate\.rules\.pay\.sub would never be asked/,
	});
	await t.rejects(built({ 'shallow.rego': deny('toolgate.rules') }), {
		code: 'BUNDLE',
		message: /package toolgate\.rules would never be asked/,
	});
	await t.rejects(built({ 'head.rego': deny('toolgate.rules.pay', 'sub.finding') }), {
		code: 'BUNDLE',
		message: /toolgate\.rules\.pay\.sub\.finding would never be asked/,
	});
	await t.rejects(built({ 'data.json': '{"toolgate": {"rules": {"pay": {"access": ["everybody"]}}}}' }), {
		code: 'BUNDLE',
		message: /data\.json has data under toolgate\.rules, where only rules belong/,
	});
});
