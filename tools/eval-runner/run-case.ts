import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type Miss, misses, type Seen } from './expect.ts';
import type { AgentAnswer, AgentStep, Stack } from './stack.ts';
import type { EvalCase } from './suite.ts';
import { type CallTrace, tracesOf, type TrailEvent } from './trace.ts';

/** What came of a case. */
export interface CaseResult {
	readonly calls: readonly CallTrace[];
	readonly misses: readonly Miss[];
	readonly said: string;
	/** Until the agent had ended. */
	readonly tookMs: number;
}

const TRAIL_TIMEOUT_MS = 5_000;
const TRAIL_INTERVAL_MS = 50;

/** A case whose agent has ended, and what is needed to look at what it left. */
export interface Asked {
	readonly expected: EvalCase;
	readonly principal: string;
	readonly answer: AgentAnswer;
	readonly messagesBefore: number;
	readonly tookMs: number;
}

/** Whom a case's calls are for. */
export interface Identity {
	readonly principal: string;
	readonly turnId: string;
}

/** Unique to this run: neither the budgets nor the approvals of an earlier run may answer for it. */
export function introduced(expected: EvalCase): Identity {
	const run = randomBytes(4).toString('hex');
	return { principal: expected.principal.replace('@', `-${run}@`), turnId: `eval-${run}` };
}

/** Asks the agent what the case says. @throws {UsageError} a part that should be up does not answer */
export async function ask(expected: EvalCase, stack: Stack, { principal, turnId }: Identity, signal?: AbortSignal): Promise<Asked> {
	const began = performance.now();
	for (const [id, description] of Object.entries(expected.charges ?? {})) await stack.describeCharge(id, description);
	// A fake Lark that was down comes back without any.
	const messagesBefore = expected.messages === undefined || expected.faults?.['mock-lark'] === 'down' ? 0 : (await stack.messages()).length;
	const { input, attack } = expected;
	const answer = await stack.ask({ input, turnId, principal, ...(attack === undefined ? {} : { attack }) }, signal);
	return { expected, principal, answer, messagesBefore, tookMs: performance.now() - began };
}

/** Holds what is there against what was expected, on a stack that is whole again. @throws {UsageError} a part of it does not answer */
export async function look(
	{ expected, principal, answer: { said, steps }, messagesBefore, tookMs }: Asked,
	stack: Stack,
): Promise<CaseResult> {
	const events = await settledTrail(stack, principal, steps);
	const calls = tracesOf(events);
	const seen: Seen = {
		calls,
		events,
		said,
		results: steps.map(({ text }) => text),
		ledger: await stack.ledger(),
		messages: expected.messages === undefined ? [] : (await stack.messages()).slice(messagesBefore),
	};
	return { calls, said, misses: misses(expected, seen), tookMs };
}

/** A refusal of the transport, before there is a call: the agent's words for it. */
const isBeforeTheCall = ({ outcome }: AgentStep): boolean => /^(HTTP|error) /.test(outcome);

/** The trail once every call in it has ended. */
async function settledTrail(stack: Stack, principal: string, steps: readonly AgentStep[]): Promise<TrailEvent[]> {
	const deadline = Date.now() + TRAIL_TIMEOUT_MS;
	const mayBeEmpty = steps.every(isBeforeTheCall);
	for (;;) {
		const events = await stack.trail(principal);
		const calls = tracesOf(events);
		if ((calls.length > 0 || mayBeEmpty) && calls.every(({ isOver }) => isOver)) return events;
		if (Date.now() > deadline) return events;
		await wait(TRAIL_INTERVAL_MS);
	}
}
