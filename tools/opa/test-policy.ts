import { existsSync, globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkPolicy, formatProblems } from './check.ts';
import { OpaMissing, PATIENTLY, runOpa } from './index.ts';
import { problemLine } from './problem.ts';

/**
 * `npm run policy:test [-- folder …]`: format, check and `opa test`, of the shipped policy and of every example, each example against the
 * shipped decision library.
 */
const LIBRARY = 'policy/lib';

async function testPolicy(folder: string): Promise<boolean> {
	const problems = [...(await formatProblems(folder)), ...(await checkPolicy(folder))];
	for (const problem of problems) console.error(problemLine(problem));
	// As a bundle, so that schemas and capabilities are not taken for data; two bundles would both claim the root.
	const { code, stdout, stderr } = await runOpa(
		existsSync(`${folder}/lib`) ? ['test', ...PATIENTLY, '--bundle', folder] : ['test', ...PATIENTLY, LIBRARY, folder],
	);
	console.log(`${folder}: ${problems.length === 0 ? 'checked' : `${problems.length} problems`}, ${(stdout + stderr).trim()}`);
	return problems.length === 0 && code === 0;
}

try {
	const { positionals } = parseArgs({ allowPositionals: true });
	const folders = positionals.length > 0 ? positionals : ['policy', ...globSync('examples/*/policy').sort()];
	let isGood = true;
	for (const folder of folders) isGood = (await testPolicy(folder)) && isGood;
	process.exitCode = isGood ? 0 : 1;
} catch (error) {
	if (!(error instanceof OpaMissing) && !(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) throw error;
	console.error(`policy:test: ${(error as Error).message}`);
	process.exitCode = 2;
}
