import type { Deployment } from './deployment.ts';
import type { ExpectedFailures } from './expected-failures.ts';
import { injectFaults } from './faults.ts';
import { ask, type Asked, type CaseResult, introduced, look } from './run-case.ts';
import { batchesOf, type Batch, type Run } from './schedule.ts';
import { Stack } from './stack.ts';

/** `held`: as expected. `known`: fails, and is known to. `stale`: known to fail, and did not: the entry has to go. */
export type Verdict = 'held' | 'missed' | 'known' | 'stale';

export interface RunResult extends CaseResult {
	readonly run: Run;
	readonly verdict: Verdict;
	/** Why it is known to fail. */
	readonly because?: string;
}

export interface RunOptions {
	readonly deployment: Deployment;
	/** Another agent than the stack's own. */
	readonly agentUrl?: string;
	/** How many cases run at once where they share no state. */
	readonly parallel: number;
	readonly expectedFailures: ExpectedFailures;
	readonly signal: AbortSignal;
	readonly onBegin: (run: Run) => void;
	readonly onEnd: (result: RunResult) => void;
}

/** True when it is as it should be. */
export const isFine = ({ verdict }: RunResult): boolean => verdict === 'held' || verdict === 'known';

/**
 * Runs every case, and mends what it breaks, also when it is interrupted. Resolves with the results in the order of `runs`.
 * @throws {UsageError} the stack does not do its part
 */
export async function runSuites(runs: readonly Run[], options: RunOptions): Promise<RunResult[]> {
	const results: RunResult[] = [];
	for (const batch of batchesOf(runs, options.parallel > 1)) results.push(...(await runBatch(batch, options)));
	return results.sort((a, b) => runs.indexOf(a.run) - runs.indexOf(b.run));
}

async function runBatch(
	batch: Batch,
	{ deployment, agentUrl, parallel, expectedFailures, signal, onBegin, onEnd }: RunOptions,
): Promise<RunResult[]> {
	signal.throwIfAborted();
	const stack = new Stack(deployment, agentUrl);
	await stack.resetLedger();
	const { faults = {} } = batch[0].case;
	if (faults['localstripe-mcp'] === undefined) await stack.untilUpstreamsSeen(signal);
	if (faults['mock-lark'] === undefined) await stack.larkMode('approve');
	const mend = await injectFaults(faults, deployment, stack);
	const asked: { run: Run; asked: Asked }[] = [];
	try {
		const waiting = [...batch];
		const worker = async () => {
			for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
				onBegin(run);
				asked.push({ run, asked: await ask(run.case, stack, introduced(run.case), signal) });
			}
		};
		await Promise.all(Array.from({ length: Math.min(parallel, batch.length) }, worker));
	} finally {
		// What is about to be taken down needs no mending.
		if (!signal.aborted || deployment.isShared) await mend();
	}
	// Looked at when the last one has ended, so that nothing it did is missed.
	const results: RunResult[] = [];
	for (const one of asked) {
		const result = await look(one.asked, stack);
		const because = expectedFailures.reasonOf(one.run.suite, one.run.case.name);
		const failed = result.misses.length > 0;
		const verdict: Verdict = because === undefined ? (failed ? 'missed' : 'held') : failed ? 'known' : 'stale';
		const ended = { ...result, run: one.run, verdict, ...(because === undefined ? {} : { because }) };
		results.push(ended);
		onEnd(ended);
	}
	return results;
}
