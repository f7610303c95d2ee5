import { styleText } from 'node:util';
import { buildWhenStale } from '../../ui/build.ts';
import { isFree, ownerOf } from '../demo/ports.ts';
import { openCompose } from './compose.ts';
import { type Deployment, UsageError } from './deployment.ts';
import { openEmbedded } from './embedded.ts';
import { type ExpectedFailures, readExpectedFailures } from './expected-failures.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { Progress } from './progress.ts';
import { demandWritable, jsonReport, junitReport, type Report, titleOf, writeReport } from './reports.ts';
import { isFine, type RunResult, runSuites } from './run-suites.ts';
import type { Run } from './schedule.ts';
import { buildEvalPage } from './serve/server.ts';
import { Stage } from './serve/stage.ts';
import { readSuite, type Suite } from './suite.ts';
import { Stack } from './stack.ts';
import { demandKnownTools } from './tool-names.ts';
import { traceLine } from './trace.ts';

/** `npm run eval`: one trace line per case, what was expected where one fails, a summary, an exit code. */

const INTERRUPTED = 130;
const paint = (style: Parameters<typeof styleText>[0], text: string): string => styleText(style, text, { stream: process.stdout });

async function main(): Promise<number> {
	const options = readOptions(process.argv.slice(2));
	if (options === undefined) {
		process.stdout.write(USAGE);
		return 0;
	}
	// Of a compose stack the key may stand in .env: there the container tells.
	if (!options.isCompose) demandKey(process.env);
	const suites = options.files.map(readSuite);
	const expectedFailures = readExpectedFailures(suites);
	const runs = runsOf(suites, options);

	const interruption = new AbortController();
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(signal, () => {
			if (!interruption.signal.aborted) console.error('\nInterrupted: putting everything back as it was');
			interruption.abort();
		});
	}
	try {
		if (options.servePort !== undefined) return await servePage(suites[0]!, options, options.servePort, interruption.signal);
		return await evaluate(suites, runs, options, expectedFailures, interruption.signal);
	} catch (error) {
		if (interruption.signal.aborted) return INTERRUPTED;
		throw error;
	}
}

/** A model is asked for by name, and there is no key for it: every case would end in that. @throws {UsageError} */
function demandKey(env: NodeJS.ProcessEnv): void {
	if (env['AGENT_PROVIDER'] === 'anthropic' && !env['ANTHROPIC_API_KEY'] && !env['AGENT_URL'])
		throw new UsageError(
			'AGENT_PROVIDER is anthropic, and ANTHROPIC_API_KEY is not set: set it, or unset AGENT_PROVIDER for the scripted agent',
		);
}

function runsOf(suites: readonly Suite[], { names, repeat }: Options): Run[] {
	const isWanted = (name: string) => names.length === 0 || names.some((part) => name.toLowerCase().includes(part));
	const cases = suites.flatMap((suite) => suite.cases.filter(({ name }) => isWanted(name)).map((one) => ({ suite, case: one })));
	if (cases.length === 0) throw new UsageError(`no case has "${names.join('" or "')}" in its name`);
	return Array.from({ length: repeat }, (_, index) => cases.map((one) => ({ ...one, round: index + 1 }))).flat();
}

/** Until it is interrupted, which is how it ends. @throws {UsageError} the port is in use */
async function servePage(suite: Suite, options: Options, port: number, signal: AbortSignal): Promise<number> {
	if (!(await isFree(port)))
		throw new UsageError(
			`port ${port} is in use${await ownerOf(port).then((owner) => (owner === undefined ? '' : ` by ${owner}`))}; choose another with --port`,
		);
	await buildWhenStale();
	const progress = new Progress();
	let deployment: Deployment | undefined;
	let stage: Stage | undefined;
	try {
		deployment = await open(options, progress, signal);
		await demandKnownTools([suite], new Stack(deployment), signal);
		stage = new Stage(deployment, suite, process.env['AGENT_URL']);
		const app = buildEvalPage(stage);
		await app.listen({ host: '127.0.0.1', port });
		progress.print(`${suite.file} on ${deployment.what}: http://127.0.0.1:${port}\nCtrl-C ends it`);
		progress.stop();
		await new Promise((resolve) => signal.addEventListener('abort', resolve));
		await app.close();
		return 0;
	} finally {
		await stage?.close();
		await deployment?.close();
		progress.stop();
	}
}

function open({ isCompose, isFresh }: Options, progress: Progress, signal: AbortSignal): Promise<Deployment> {
	const opening = { environment: process.env, onProgress: (text: string) => progress.note(text), signal };
	return isCompose ? openCompose(opening) : openEmbedded(opening, isFresh);
}

async function evaluate(
	suites: readonly Suite[],
	runs: readonly Run[],
	options: Options,
	expectedFailures: ExpectedFailures,
	signal: AbortSignal,
): Promise<number> {
	for (const file of [options.jsonFile, options.junitFile]) if (file !== undefined) demandWritable(file);
	const startedAt = new Date().toISOString();
	const began = performance.now();
	const progress = new Progress();
	const width = Math.max(16, ...runs.map((run) => titleOf({ run }).length)) + 1;
	let deployment: Deployment | undefined;
	let results: RunResult[];
	try {
		deployment = await open(options, progress, signal);
		await demandKnownTools(suites, new Stack(deployment), signal);
		results = await runSuites(runs, {
			deployment,
			parallel: options.parallel,
			expectedFailures,
			signal,
			...(process.env['AGENT_URL'] ? { agentUrl: process.env['AGENT_URL'] } : {}),
			onBegin: (run) => progress.begin(titleOf({ run })),
			onEnd(result) {
				progress.end(titleOf(result));
				progress.print(told(result, width));
			},
		});
	} finally {
		try {
			await deployment?.close();
		} finally {
			progress.stop();
		}
	}
	const report: Report = { startedAt, tookMs: performance.now() - began, stack: deployment.what, results };
	if (options.jsonFile !== undefined) writeReport(options.jsonFile, jsonReport(report));
	if (options.junitFile !== undefined) writeReport(options.junitFile, junitReport(report));
	console.log(`\n${summary(report)}`);
	return results.every(isFine) ? 0 : 1;
}

/** `approval timeout  list_recent_charges → allow, create_refund → approvalRequired → expired`, and what was missed. */
function told(result: RunResult, width: number): string {
	const { verdict, because, misses, calls } = result;
	const marks = {
		held: '',
		missed: paint('red', '  ✘'),
		known: paint('yellow', `  known to fail: ${because}`),
		stale: paint('red', `  ✘ known to fail (${because}), and did not: delete its entry in expected-failures.yaml`),
	};
	const line = `${titleOf(result).padEnd(width)} ${traceLine(calls)}${marks[verdict]}`;
	if (verdict !== 'missed') return line;
	return [
		line,
		...misses.map(({ what, expected, seen }) => `  ${paint('red', what)}\n    expected  ${expected}\n    seen      ${seen}`),
	].join('\n');
}

function summary({ results, tookMs }: Report): string {
	const failed = results.filter((result) => !isFine(result)).length;
	const known = results.filter(({ verdict }) => verdict === 'known').length;
	const seconds = (tookMs / 1000).toFixed(1);
	if (failed > 0) return paint('red', `${failed} of ${results.length} cases not as expected`) + ` in ${seconds} s`;
	return (
		paint('green', `${results.length} of ${results.length} cases as expected`) +
		`${known > 0 ? `, ${known} of them known to fail,` : ''} in ${seconds} s`
	);
}

try {
	process.exitCode = await main();
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`eval: ${error.message}`);
	process.exitCode = 2;
}
