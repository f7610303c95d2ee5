import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { buildBundle } from '../../../tools/opa/build.ts';
import { runOpa } from '../../../tools/opa/index.ts';
import type { DecisionDocument, JsonObject } from '../domain.ts';
import { createEvaluator, type Evaluator } from '../policy/evaluator.ts';
import { EvaluationError } from '../policy/evaluation-error.ts';
import { readTar } from '../policy/tar.ts';
import { CommandFailure } from './command-failure.ts';

/**
 * The tests of a policy on what the gateway runs. `opa test` interprets Rego in Go; a gateway evaluates a compiled module with its own builtins.
 * Here sources and tests are compiled into a throw-away module, each test an entrypoint, and cases are asked of the decision itself.
 */

export interface Mismatch {
	/** File, line and column of a test; the file of a case. */
	readonly place: string;
	readonly what: string;
	readonly expected: string;
	readonly seen: string;
}

interface ModuleTest {
	/** `data.toolgate.rules.payments` */
	readonly path: string;
	readonly name: string;
	/** As `opa test` says. */
	readonly passes: boolean;
	readonly place: string;
}

/** One case of `cases/*.json`: an input document, and what has to come of it. */
interface Case {
	readonly file: string;
	readonly name: string;
	readonly input: JsonObject;
	readonly list?: boolean;
	readonly verdict?: string;
	/** Rules that lead, in any order. */
	readonly rules?: readonly string[];
}

const shippedLibrary = fileURLToPath(new URL('../../../policy/lib', import.meta.url));
const shippedCapabilities = fileURLToPath(new URL('../../../policy/capabilities.json', import.meta.url));
/** The one entrypoint of the throw-away module. */
const PASSING = 'toolgate_module_tests/passing';
/** Tests are judged, not bounded; but they end. */
const FUEL = 1_000_000_000;

/** A policy without a library of its own is tested with the shipped one, whose own tests are not its concern. */
export function opaTestArgs(folder: string): string[] {
	if (existsSync(join(folder, 'lib'))) return ['--bundle', folder];
	return [...globSync(join(shippedLibrary, '**/*.rego')).filter((file) => !file.endsWith('_test.rego')), folder];
}

/** @throws {CommandFailure} a file of cases is malformed. */
export function casesOf(folder: string): Case[] {
	return globSync(join(folder, 'cases', '*.json'))
		.sort()
		.flatMap((file) => {
			let cases: unknown;
			try {
				cases = JSON.parse(readFileSync(file, 'utf8'));
			} catch (cause) {
				throw new CommandFailure(1, `${file}: not JSON: ${(cause as Error).message}`, { cause });
			}
			if (!Array.isArray(cases)) throw new CommandFailure(1, `${file}: expected a list of cases`);
			return cases.map((one: Partial<Case> | null, index): Case => {
				const { name, input } = one ?? {};
				if (typeof name !== 'string' || typeof input !== 'object' || input === null)
					throw new CommandFailure(1, `${file}: case ${index}: expected name and input`);
				return { ...one, file, name, input };
			});
		});
}

/** Where the compiled module differs from `opa test`, or from what a case expects. */
export async function moduleMismatches(folder: string, tests: readonly ModuleTest[]): Promise<Mismatch[]> {
	const cases = casesOf(folder);
	const misses = cases.length === 0 ? [] : await caseMisses(folder, cases);
	return [...(tests.length === 0 ? [] : await testDifferences(folder, tests)), ...misses];
}

const fullName = ({ path, name }: ModuleTest): string => `${path}.${name}`;

async function testDifferences(folder: string, tests: readonly ModuleTest[]): Promise<Mismatch[]> {
	const evaluator = await compileTests(folder, [...new Set(tests.map(fullName))]);
	return tests.flatMap((test): Mismatch[] => {
		// One at a time, so that one that stops the module is told from the others.
		const passing = answer(evaluator, { only: fullName(test) }, PASSING);
		const seen = Array.isArray(passing) ? (passing.length > 0 ? 'true' : 'not true') : shown(passing);
		const expected = test.passes ? 'true' : 'not true';
		return seen === expected ? [] : [{ place: test.place, what: fullName(test), expected, seen }];
	});
}

async function caseMisses(folder: string, cases: readonly Case[]): Promise<Mismatch[]> {
	const work = mkdtempSync(join(tmpdir(), 'toolgate-policy-cases-'));
	try {
		const out = join(work, 'bundle.tar.gz');
		await buildBundle({ policyDir: folder, out });
		const evaluator = await evaluatorOf(out);
		return cases.flatMap((one) => missesOf(one, evaluator));
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

function missesOf({ file, name, input, list, verdict, rules }: Case, evaluator: Evaluator): Mismatch[] {
	const misses: Mismatch[] = [];
	const hold = (what: string, expected: unknown, seen: unknown) => {
		if (expected !== undefined && JSON.stringify(expected) !== JSON.stringify(seen))
			misses.push({ place: file, what: `${name}: ${what}`, expected: shown(expected), seen: shown(seen) });
	};
	hold('list', list, answer(evaluator, input, 'toolgate/decision/list'));
	const decision = answer(evaluator, input, 'toolgate/decision/call') as DecisionDocument | undefined;
	hold('verdict', verdict, decision?.verdict);
	hold('rules', rules?.toSorted(), decision?.reasons?.map(({ rule }) => rule).toSorted());
	return misses;
}

function answer(evaluator: Evaluator, input: JsonObject, entrypoint: string): unknown {
	try {
		return evaluator.evaluate(input, entrypoint);
	} catch (error) {
		if (error instanceof EvaluationError) return error.message;
		throw error;
	}
}

/**
 * One entrypoint for all tests; the input names the one to run, and the answer is an empty set where it fails. OPA's planner can't take several entrypoints where a function uses `with`, which tests
 * like to do; so the annotations that make entrypoints are left out of the copy that is compiled.
 */
async function compileTests(folder: string, names: readonly string[]): Promise<Evaluator> {
	const work = mkdtempSync(join(tmpdir(), 'toolgate-policy-test-'));
	try {
		const copy = join(work, 'policy');
		if (!existsSync(join(folder, 'lib')))
			cpSync(shippedLibrary, join(copy, 'lib'), { recursive: true, filter: (from) => !from.endsWith('_test.rego') });
		cpSync(folder, copy, { recursive: true, filter: (from) => !from.endsWith('.json') || from.endsWith('data.json') });
		for (const file of globSync(join(copy, '**/*.rego')))
			writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/^#[ \t]*entrypoint:[ \t]*true[ \t]*$/gm, '#'));
		writeFileSync(
			join(copy, 'passing.rego'),
			`package ${PASSING.split('/')[0]}\n\n${names.map((name) => `passing contains true if {\n\tinput.only == ${JSON.stringify(name)}\n\t${name}\n}\n`).join('\n')}\n`,
		);
		const out = join(work, 'bundle.tar.gz');
		const own = join(folder, 'capabilities.json');
		const { code, stderr, stdout } = await runOpa([
			'build',
			'--target',
			'wasm',
			'--capabilities',
			existsSync(own) ? own : shippedCapabilities,
			'--entrypoint',
			PASSING,
			'--output',
			out,
			'--bundle',
			copy,
		]);
		if (code !== 0)
			throw new CommandFailure(
				1,
				`the tests do not compile for the gateway: ${
					(stderr || stdout)
						.trim()
						.replace(/^error: /, '')
						.split('\n')[0]
				}`,
			);
		return await evaluatorOf(out);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

async function evaluatorOf(bundle: string): Promise<Evaluator> {
	const files = new Map(readTar(gunzipSync(readFileSync(bundle))).map(({ path, bytes }) => [path, bytes]));
	const data = files.get('data.json');
	return createEvaluator(files.get('policy.wasm')!, data === undefined ? {} : (JSON.parse(Buffer.from(data).toString()) as object), {
		fuel: FUEL,
	});
}

const shown = (value: unknown): string => (value === undefined ? 'undefined' : JSON.stringify(value));
