import type { EvalCase, Suite } from './suite.ts';

/** A case as it will run: which suite it is of, and which repetition, from 1. */
export interface Run {
	readonly suite: Suite;
	readonly case: EvalCase;
	readonly round: number;
}

/** Runs that share one state of the stack: the same faults, injected once, and a fresh fake Stripe. */
export type Batch = readonly [Run, ...Run[]];

/**
 * The order of the runs. Without `isParallel` each is a batch of its own, in the order of the files. Otherwise those that share no state are
 * put together where the first of them stands: they need the same faults, and promise to have no effect (`ledger: { refunds: 0 }`), so that one
 * which has is found out by its neighbours too.
 */
export function batchesOf(runs: readonly Run[], isParallel: boolean): Batch[] {
	const batches: [Run, ...Run[]][] = [];
	const shared = new Map<string, [Run, ...Run[]]>();
	for (const run of runs) {
		const key = isParallel && hasNoEffect(run.case) ? faultsOf(run.case) : undefined;
		const batch = key === undefined ? undefined : shared.get(key);
		if (batch !== undefined) {
			batch.push(run);
			continue;
		}
		const begun: [Run, ...Run[]] = [run];
		batches.push(begun);
		if (key !== undefined) shared.set(key, begun);
	}
	return batches;
}

/** One word for the same faults, in whatever order they stand. */
const faultsOf = ({ faults = {} }: EvalCase): string =>
	Object.entries(faults)
		.map((pair) => pair.join(' '))
		.sort()
		.join(', ');

/** It may run beside others: it changes nothing that they look at, and looks at nothing that they change. */
function hasNoEffect({ ledger, messages, charges, faults }: EvalCase): boolean {
	// Which card is the first to be approved depends on who asks first.
	return ledger?.refunds === 0 && messages === undefined && charges === undefined && faults?.['mock-lark'] !== 'approve-once';
}
