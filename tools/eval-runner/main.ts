import { parseArgs, styleText } from 'node:util';
import { type CaseResult, runCase } from './run-case.ts';
import { Stack } from './stack.ts';
import { readSuite, SuiteError } from './suite.ts';
import { traceLine } from './trace.ts';

/** `npm run eval -- [suite.yaml …] [--name text]`: one trace line per case, what was expected where one fails, a summary, an exit code. */

const paint = (style: Parameters<typeof styleText>[0], text: string): string => styleText(style, text, { stream: process.stdout });

function report(result: CaseResult, width: number): void {
	const mark = result.misses.length === 0 ? '' : paint('red', '  ✘');
	console.log(`${result.name.padEnd(width)}  ${traceLine(result.calls)}${mark}`);
	for (const { what, expected, seen } of result.misses) console.log(`  ${paint('red', what)}\n    expected  ${expected}\n    seen      ${seen}`);
}

async function main(): Promise<number> {
	let values: { name?: string[] };
	let positionals: string[];
	try {
		({ values, positionals } = parseArgs({ allowPositionals: true, options: { name: { type: 'string', multiple: true } } }));
	} catch (error) {
		throw new SuiteError(`${(error as Error).message.split('. ')[0]}; usage: npm run eval -- [suite.yaml …] [--name text]`);
	}
	const suites = (positionals.length === 0 ? ['evalsuite/default.yaml'] : positionals).map(readSuite);
	const wanted = values.name?.map((name) => name.toLowerCase());
	const cases = suites.flatMap((suite) => suite.cases).filter(({ name }) => wanted === undefined || wanted.some((part) => name.toLowerCase().includes(part)));
	if (cases.length === 0) throw new SuiteError(`no case has ${values.name?.join(' or ')} in its name`);

	const stop = new AbortController();
	const began = performance.now();
	const progress = (text: string) => {
		if (process.stderr.isTTY) console.error(paint('dim', `  ${text}`));
	};
	let stack: Stack | undefined;
	let isInterrupted = false;
	const interrupt = () => {
		isInterrupted = true;
		stop.abort();
		void (stack?.close() ?? Promise.resolve()).finally(() => process.exit(130));
	};
	for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
	const results: CaseResult[] = [];
	try {
		stack = await Stack.open(process.env, progress, stop.signal);
		const width = Math.max(18, ...cases.map(({ name }) => name.length));
		for (const one of cases) {
			progress(`${one.name} …`);
			const result = await runCase(one, stack);
			results.push(result);
			report(result, width - 1);
		}
	} finally {
		if (!isInterrupted) await stack?.close();
	}
	const failed = results.filter(({ misses }) => misses.length > 0).length;
	const seconds = ((performance.now() - began) / 1000).toFixed(1);
	console.log(`\n${failed === 0 ? paint('green', `${results.length} of ${cases.length} cases as expected`) : paint('red', `${failed} of ${cases.length} cases not as expected`)} in ${seconds} s`);
	return failed === 0 ? 0 : 1;
}

try {
	process.exitCode = await main();
} catch (error) {
	console.error(`eval: ${error instanceof SuiteError ? error.message : ((error as Error).message ?? String(error))}`);
	process.exitCode = 2;
}
