import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { buildBundle } from '../../tools/opa/build.ts';

/** Compiles the rules of one team `test` with the shipped library, and returns the bundle to point a gateway at. */
export async function rulesBundle(t: Pick<Test, 'teardown'>, rules: string): Promise<string> {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-rules-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const policyDir = join(folder, 'policy');
	mkdirSync(join(policyDir, 'rules/test'), { recursive: true });
	writeFileSync(
		join(policyDir, 'rules/test/test.rego'),
		`# METADATA\n# title: Test\n# description: Of one test.\npackage toolgate.rules.test\n\n${rules.trim()}\n`,
	);
	const out = join(folder, 'bundle.tar.gz');
	await buildBundle({ policyDir, out });
	return out;
}

/** Grants everything and asks for nothing. */
export const ALLOW_ALL = 'access contains "everybody may do everything"';
