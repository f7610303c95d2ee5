import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type Miss, misses, type Seen } from './expect.ts';
import type { Stack } from './stack.ts';
import type { EvalCase } from './suite.ts';
import { type CallTrace, tracesOf } from './trace.ts';

export interface CaseResult {
	readonly name: string;
	readonly calls: readonly CallTrace[];
	readonly misses: readonly Miss[];
	readonly tookMs: number;
}

const TRAIL_TIMEOUT_MS = 5_000;
const TRAIL_INTERVAL_MS = 50;

/** Runs one case: breaks what it says, asks the agent, mends, and holds what is there against what was expected. */
export async function runCase(expected: EvalCase, stack: Stack): Promise<CaseResult> {
	const began = performance.now();
	// Unique to this run: neither the budgets nor the approvals of an earlier run may answer for it.
	const run = randomBytes(4).toString('hex');
	const principal = expected.principal.replace('@', `-${run}@`);
	await stack.resetLedger();
	const watchesMessages = expected.messages !== undefined;
	const before = watchesMessages ? (await stack.messages()).length : 0;
	const mend = await breakThings(expected.faults ?? {}, stack);
	let said: string;
	try {
		said = await stack.ask({ input: expected.input, turnId: `eval-${run}`, principal });
	} finally {
		await mend();
	}
	const events = await settledTrail(stack, principal);
	const calls = tracesOf(events);
	const seen: Seen = { calls, events, said, ledger: await stack.ledger(), messages: watchesMessages ? (await stack.messages()).slice(before) : [] };
	return { name: expected.name, calls, misses: misses(expected, seen), tookMs: performance.now() - began };
}

/** Injects the faults, for real: a process is stopped. Returns how to mend them. */
async function breakThings(faults: NonNullable<EvalCase['faults']>, stack: Stack): Promise<() => Promise<void>> {
	const mends: (() => Promise<void>)[] = [];
	for (const [name, fault] of Object.entries(faults) as [keyof typeof faults, string][]) {
		if (fault === 'down') {
			mends.push(() => stack.service(name, 'start'));
			await stack.service(name, 'stop');
		} else {
			mends.push(() => stack.larkMode('approve'));
			await stack.larkMode(fault as 'reject' | 'ignore');
		}
	}
	if (faults['mock-lark'] === undefined) await stack.larkMode('approve');
	return async () => {
		for (const mend of mends) await mend();
	};
}

/** The trail once every call in it has ended. */
async function settledTrail(stack: Stack, principal: string) {
	const deadline = Date.now() + TRAIL_TIMEOUT_MS;
	for (;;) {
		const events = await stack.trail(principal);
		const calls = tracesOf(events);
		if ((calls.length > 0 && calls.every(({ isOver }) => isOver)) || Date.now() > deadline) return events;
		await wait(TRAIL_INTERVAL_MS);
	}
}
