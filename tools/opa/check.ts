import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { runOpa } from './index.ts';
import { nativeBuiltinWarnings } from './native-builtins.ts';
import { byPlace, type Problem } from './problem.ts';
import { ruleProblems } from './rule-checks.ts';
import { pathOf, readSources } from './sources.ts';
import { parseModules } from './syntax.ts';

/**
 * Everything that is wrong with the rules in `policyDir`, by file and line; empty when they may be built.
 * @throws {OpaMissing}
 */
export async function checkPolicy(policyDir: string): Promise<Problem[]> {
	const isFolder = await stat(policyDir).then(
		(found) => found.isDirectory(),
		() => false,
	);
	if (!isFolder) return [{ file: policyDir, line: 0, column: 0, message: 'no such folder' }];
	const problems = await compilerProblems(policyDir);
	// What OPA can't compile has no syntax tree to look at.
	if (problems.length > 0) return problems.sort(byPlace);
	const sources = (await readSources(policyDir)).map(({ path, bytes }) => ({ path, file: join(policyDir, path), bytes }));
	const modules = await parseModules(sources.filter(isRego).map(({ file }) => file));
	const misplaced = sources
		.filter((source) => !isRego(source) && isUnderRules(source.path, source.bytes.toString('utf8')))
		.map(({ file }) => ({
			file,
			line: 0,
			column: 0,
			message: 'data under toolgate.rules would speak as a team: rules are written in Rego',
		}));
	return [...misplaced, ...ruleProblems(modules)].sort(byPlace);
}

/** What means something else in the gateway than in `opa test`, of a policy that has no problems. @throws {OpaMissing} */
export async function policyWarnings(policyDir: string): Promise<Problem[]> {
	const files = (await readSources(policyDir)).filter(isRego).map(({ path }) => join(policyDir, path));
	return nativeBuiltinWarnings(await parseModules(files)).sort(byPlace);
}

const isRego = ({ path }: { readonly path: string }): boolean => path.endsWith('.rego');

/** Does a data file (its folders are part of the path of what it holds) reach into `data.toolgate.rules`. */
function isUnderRules(path: string, text: string): boolean {
	const folders = path.split('/').slice(0, -1);
	let value: unknown = parseYaml(text);
	for (const folder of folders.toReversed()) value = { [folder]: value };
	return (value as { toolgate?: { rules?: unknown } } | null)?.toolgate?.rules !== undefined;
}

/** Files that `opa fmt` would write differently. */
export async function formatProblems(policyDir: string): Promise<Problem[]> {
	const { stdout } = await runOpa(['fmt', '--list', policyDir]);
	const files = stdout.split('\n').filter((file) => file !== '');
	return files.map((file) => ({ file, line: 0, column: 0, message: 'not formatted: opa fmt --write' }));
}

interface OpaError {
	readonly message: string;
	readonly location?: { readonly file: string; readonly row: number; readonly col: number };
	readonly details?: { readonly oneOf?: readonly string[]; readonly line?: string };
}

/** What OPA's own compiler says: syntax, types against the schema of the input, builtins that the gateway does not have. */
async function compilerProblems(policyDir: string): Promise<Problem[]> {
	const [capabilities, schema] = await Promise.all([pathOf(policyDir, 'capabilities.json'), pathOf(policyDir, 'schemas/input.json')]);
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
		line: location?.row ?? 0,
		// OPA counts the end of a file as column 0.
		column: location === undefined ? 0 : Math.max(1, location.col),
		message: details?.oneOf === undefined ? message : `${message}; there is: ${details.oneOf.join(', ')}`,
	}));
}
