import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBundle } from '../../../tools/opa/build.ts';

const LIBRARY = fileURLToPath(new URL('../../../policy/lib/', import.meta.url));
const RULES = fileURLToPath(new URL('policy/', import.meta.url));

/** Compiles the decision library with the rules of a section, by default of this one. Returns the bundle, in `folder`. */
export async function compilePolicy(folder: string, rules = RULES): Promise<string> {
	const policyDir = join(folder, 'policy');
	await cp(LIBRARY, join(policyDir, 'lib'), { recursive: true });
	await cp(rules, join(policyDir, 'rules', 'bench'), { recursive: true });
	const out = join(folder, 'bench.tar.gz');
	await buildBundle({ policyDir, out });
	return out;
}
