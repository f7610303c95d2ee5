import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { buildBundle } from '../../tools/opa/build.ts';

/** The default policy in a folder of the test's own, to be changed and compiled as an operator does it. */
export interface PolicyVariant {
	/** The bundle to point a gateway at. */
	readonly bundle: string;
	/** Changes a source, by its path below `policy/`, and compiles all into the bundle. @throws {Error} the text to replace isn't there */
	change(file: string, from: string, to: string): Promise<void>;
}

export async function policyVariant(t: Test): Promise<PolicyVariant> {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-policy-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const policyDir = join(folder, 'policy');
	cpSync(join(import.meta.dirname, '../../policy'), policyDir, { recursive: true });
	const bundle = join(folder, 'bundle.tar.gz');
	await buildBundle({ policyDir, out: bundle });
	return {
		bundle,
		async change(file, from, to) {
			const path = join(policyDir, file);
			const source = readFileSync(path, 'utf8');
			if (!source.includes(from)) throw new Error(`${file} does not say: ${from}`);
			writeFileSync(path, source.replace(from, to));
			await buildBundle({ policyDir, out: bundle });
		},
	};
}
