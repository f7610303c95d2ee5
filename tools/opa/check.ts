import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runOpa } from './index.ts';
import { byPlace, type Problem } from './problem.ts';

const ownPolicy = fileURLToPath(new URL('../../policy/', import.meta.url));

/** The file of the policy, or of the policy that is shipped where it has none of its own. */
export async function fileOf(policyDir: string, path: string): Promise<string> {
	const own = join(policyDir, path);
	return access(own).then(
		() => own,
		() => join(ownPolicy, path),
	);
}

/**
 * Everything that is wrong with the rules in `policyDir`, by file and line; empty when they may be built.
 * @throws {OpaMissing}
 */
export async function checkPolicy(policyDir: string): Promise<Problem[]> {
	return (await compilerProblems(policyDir)).sort(byPlace);
}

interface OpaError {
	readonly message: string;
	readonly location?: { readonly file: string; readonly row: number; readonly col: number };
	readonly details?: { readonly oneOf?: readonly string[]; readonly line?: string };
}

/** What OPA's own compiler says: syntax, types against the schema of the input, builtins that the gateway does not have. */
async function compilerProblems(policyDir: string): Promise<Problem[]> {
	const [capabilities, schema] = await Promise.all([fileOf(policyDir, 'capabilities.json'), fileOf(policyDir, 'schemas/input.json')]);
	const { code, stderr } = await runOpa([
		'check',
		'--strict',
		'--format',
		'json',
		'--bundle',
		'--capabilities',
		capabilities,
		'--schema',
		schema,
		policyDir,
	]);
	if (code === 0) return [];
	let errors: OpaError[];
	try {
		({ errors } = JSON.parse(stderr) as { errors: OpaError[] });
	} catch {
		errors = [{ message: stderr.trim() }];
	}
	return errors.map(({ message, location, details }) => ({
		file: location?.file ?? policyDir,
		line: location?.row ?? 1,
		column: location?.col ?? 1,
		message: details?.oneOf === undefined ? message : `${message}; there is: ${details.oneOf.join(', ')}`,
	}));
}
