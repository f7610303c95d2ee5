import { closeSync, openSync, writeFileSync } from 'node:fs';
import { UsageError } from './deployment.ts';
import { isFine, type RunResult } from './run-suites.ts';
import { traceLine } from './trace.ts';

/** A whole run, for machines. */
export interface Report {
	/** ISO 8601. */
	readonly startedAt: string;
	readonly tookMs: number;
	/** Which stack it ran on. */
	readonly stack: string;
	readonly results: readonly RunResult[];
}

/** The name with the number of its repetition, where there are several. */
export const titleOf = ({ run }: Pick<RunResult, 'run'>): string => (run.round > 1 ? `${run.case.name} #${run.round}` : run.case.name);

/** One object; times in milliseconds. */
export function jsonReport({ startedAt, tookMs, stack, results }: Report): string {
	const cases = results.map((result) => ({
		suite: result.run.suite.file,
		case: result.run.case.name,
		round: result.run.round,
		verdict: result.verdict,
		...(result.because === undefined ? {} : { because: result.because }),
		tookMs: Math.round(result.tookMs),
		trace: result.calls.map(({ tool, words }) => ({ tool, words })),
		misses: result.misses,
		said: result.said,
	}));
	const missed = results.filter((result) => !isFine(result)).length;
	return `${JSON.stringify({ startedAt, tookMs: Math.round(tookMs), stack, total: results.length, missed, cases }, undefined, 2)}\n`;
}

/** JUnit's XML as CI systems read it: a suite per file; a known failure counts as skipped. Times in seconds. */
export function junitReport({ startedAt, tookMs, results }: Report): string {
	const files = [...new Set(results.map(({ run }) => run.suite.file))];
	const count = (of: readonly RunResult[]) =>
		`tests="${of.length}" failures="${of.filter((one) => !isFine(one)).length}" skipped="${of.filter(({ verdict }) => verdict === 'known').length}"`;
	const suites = files.map((file) => {
		const of = results.filter(({ run }) => run.suite.file === file);
		const spent = of.reduce((sum, one) => sum + one.tookMs, 0);
		return [
			`  <testsuite name="${escaped(file)}" ${count(of)} errors="0" time="${seconds(spent)}" timestamp="${startedAt}">`,
			...of.map(testCase),
			'  </testsuite>',
		].join('\n');
	});
	return [
		'<?xml version="1.0" encoding="UTF-8"?>',
		`<testsuites name="evals" ${count(results)} errors="0" time="${seconds(tookMs)}">`,
		...suites,
		'</testsuites>',
		'',
	].join('\n');
}

function testCase(result: RunResult): string {
	const { run, calls, misses, tookMs, verdict, because = '' } = result;
	const open = `    <testcase classname="${escaped(run.suite.file)}" name="${escaped(titleOf(result))}" time="${seconds(tookMs)}"`;
	if (verdict === 'held') return `${open}/>`;
	if (verdict === 'known') return `${open}><skipped message="${escaped(`known to fail: ${because}`)}"/></testcase>`;
	if (verdict === 'stale')
		return `${open}><failure message="${escaped(`known to fail (${because}), and did not: delete its entry`)}" type="stale"/></testcase>`;
	const told = misses.map(({ what, expected, seen }) => `${what}\n  expected ${expected}\n  seen     ${seen}`).join('\n');
	return `${open}><failure message="${escaped(misses.map(({ what }) => what).join(', '))}" type="missed">${escaped(`${told}\n${traceLine(calls)}`)}</failure></testcase>`;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

/** XML 1.0 has no way to write most control characters at all. */
function escaped(text: string): string {
	// oxlint-disable-next-line no-control-regex -- these are what is looked for
	return text
		.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
		.replace(/[&<>"\n]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** @throws {UsageError} it can't be written */
export const writeReport = (file: string, text: string): void => attempt(file, () => writeFileSync(file, text));

/** Tells before the run what would be found out at its end. @throws {UsageError} it can't be written */
export const demandWritable = (file: string): void => attempt(file, () => closeSync(openSync(file, 'a')));

function attempt(file: string, act: () => void): void {
	try {
		act();
	} catch (error) {
		throw new UsageError(`${file} can't be written: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
	}
}
