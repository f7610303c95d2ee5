import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { buildBundle } from '../../../tools/opa/build.ts';
import { checkPolicy, formatProblems, policyWarnings } from '../../../tools/opa/check.ts';
import { OpaMissing, PATIENTLY, runOpa } from '../../../tools/opa/index.ts';
import { PolicyProblems, type Problem, problemLine } from '../../../tools/opa/problem.ts';
import { CommandFailure } from './command-failure.ts';
import { paint } from './terminal.ts';
import { casesOf, type Mismatch, moduleMismatches, opaTestArgs } from './module-tests.ts';

interface AuthoringOptions {
	readonly json?: boolean;
}

const DEFAULT_FOLDER = 'policy';

/** `check`, `test` and `build`: what an author runs, at the desk and in CI. They need OPA, and no running gateway. */
export function authoringCommands(): Command[] {
	const check = new Command('check')
		.description('format, types, the rules of the house; every problem with file, line and column')
		.argument('[folder]', 'the policy', DEFAULT_FOLDER)
		.option('--json', 'as JSON')
		.action(async (folder: string, options: AuthoringOptions) =>
			withOpa(async () => {
				const problems = await problemsOf(folder);
				const said = problems.length > 0 ? problems : await policyWarnings(folder);
				if (options.json) console.log(JSON.stringify(said, undefined, 2));
				else for (const problem of said) console.error(problemLine(problem));
				if (problems.length > 0)
					throw new CommandFailure(1, `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in ${folder}`);
				if (!options.json) console.log(`${paint('green', 'good')}  ${folder}`);
			}),
		);

	const test = new Command('test')
		.description('opa test with coverage, then the same tests and cases on the compiled module')
		.argument('[folder]', 'the policy', DEFAULT_FOLDER)
		.option('--json', 'as JSON')
		.action(async (folder: string, options: AuthoringOptions) =>
			withOpa(async () => {
				const problems = await problemsOf(folder);
				if (problems.length > 0) throw new PolicyProblems(problems);
				const interpreted = await runOpa(['test', ...PATIENTLY, '--format', 'json', '--verbose', ...opaTestArgs(folder)]);
				// A `todo_test_` is not run, so there is nothing to compare.
				const tests = readTests(interpreted.stdout || interpreted.stderr).filter(({ skip }) => skip !== true);
				const failing = tests.filter((one) => one.fail === true || one.error !== undefined);
				// OPA measures nothing while a test fails.
				const coverage = failing.length > 0 ? 0 : await coverageOf(folder);
				const mismatches = await moduleMismatches(
					folder,
					tests.map(({ package: path, name, fail, location }) => ({ path, name, passes: fail !== true, place: placeOf(location, folder) })),
				);
				const cases = casesOf(folder).length;
				if (options.json)
					console.log(JSON.stringify({ tests: tests.length, failing: failing.map(nameOf), coverage, cases, mismatches }, undefined, 2));
				else {
					for (const one of failing) console.error(`${placeOf(one.location, folder)}: ${nameOf(one)} fails`);
					for (const one of mismatches) console.error(mismatchLine(one));
					console.log(
						`${tests.length - failing.length} of ${tests.length} tests pass, ${coverage} % of the lines covered; the compiled module agrees on ${tests.length + cases - mismatches.length} of ${tests.length + cases}`,
					);
				}
				if (failing.length + mismatches.length > 0)
					throw new CommandFailure(1, `${failing.length} failing, ${mismatches.length} different on the compiled module`);
				if (tests.length === 0) throw new CommandFailure(1, `there is no test in ${folder}: add a file that ends in _test.rego`);
			}),
		);

	const build = new Command('build')
		.description('compile the bundle; the same sources give the same bytes')
		.argument('[folder]', 'the policy', DEFAULT_FOLDER)
		.option('--out <file>', 'the bundle', 'bundles/toolgate.tar.gz')
		.option('--json', 'as JSON')
		.action(async (folder: string, options: AuthoringOptions & { out: string }) =>
			withOpa(async () => {
				const built = await buildBundle({ policyDir: folder, out: options.out }).catch((error: NodeJS.ErrnoException) => {
					throw error.syscall === undefined
						? error
						: new CommandFailure(2, `${options.out} can't be written (${error.code})`, { cause: error });
				});
				console.log(
					options.json
						? JSON.stringify({ out: options.out, ...built })
						: `${paint('green', 'built')}  ${options.out}  version ${built.version}  revision ${built.revision}`,
				);
			}),
		);

	return [check, test, build];
}

async function withOpa(work: () => Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		if (error instanceof PolicyProblems) throw new CommandFailure(1, error.message, { cause: error });
		if (error instanceof OpaMissing) throw new CommandFailure(2, error.message, { cause: error });
		throw error;
	}
}

async function problemsOf(folder: string): Promise<Problem[]> {
	const problems = await checkPolicy(folder);
	return problems.some(({ file, line }) => file === folder && line === 0) ? problems : [...(await formatProblems(folder)), ...problems];
}

interface TestResult {
	readonly package: string;
	readonly name: string;
	readonly fail?: boolean;
	readonly skip?: boolean;
	readonly error?: object;
	readonly location?: { readonly file: string; readonly row: number; readonly col: number };
}

const placeOf = (location: TestResult['location'], folder: string): string =>
	location === undefined ? folder : `${location.file}:${location.row}:${location.col}`;

const nameOf = ({ package: path, name }: TestResult): string => `${path}.${name}`;

function readTests(output: string): TestResult[] {
	try {
		return (JSON.parse(output) ?? []) as TestResult[];
	} catch (cause) {
		throw new CommandFailure(1, `opa test: ${output.trim().split('\n')[0] ?? 'no answer'}`, { cause });
	}
}

/** Per cent of the lines of the rules, the library apart: that one is tested where it lives. */
async function coverageOf(folder: string): Promise<number> {
	const { stdout } = await runOpa(['test', ...PATIENTLY, '--coverage', '--format', 'json', ...opaTestArgs(folder)]);
	const { files } = JSON.parse(stdout || '{"files":{}}') as {
		files: Record<string, { covered_lines?: number; not_covered_lines?: number }>;
	};
	const rules = existsSync(join(folder, 'rules')) ? '/rules/' : '';
	const counted = Object.entries(files)
		.filter(([file]) => file.includes(rules) && !file.endsWith('_test.rego'))
		.map(([, lines]) => lines);
	const covered = counted.reduce((sum, { covered_lines: lines = 0 }) => sum + lines, 0);
	const all = counted.reduce((sum, { not_covered_lines: lines = 0 }) => sum + lines, covered);
	return all === 0 ? 0 : Math.round((covered / all) * 100);
}

const mismatchLine = ({ place, what, expected, seen }: Mismatch): string =>
	`${place}: ${what}: expected ${expected}, and the compiled module gives ${seen}`;
