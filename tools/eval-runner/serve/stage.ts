import { setTimeout as wait } from 'node:timers/promises';
import type { Deployment } from '../deployment.ts';
import { injectFaults } from '../faults.ts';
import type { PartName } from '../parts.ts';
import { ask, introduced, look } from '../run-case.ts';
import { type AgentStep, Stack } from '../stack.ts';
import type { EvalCase, Faults, LarkMode, Suite } from '../suite.ts';
import { type CallTrace, shownWords, tracesOf } from '../trace.ts';
import { Board } from './board.ts';
import type { CallView, PageView, RunView } from './view.ts';

const HEALTH_INTERVAL_MS = 3_000;
const TRAIL_INTERVAL_MS = 150;
const MAX_RUNS = 50;

/** The stack under test, its faults, and the cases that run on it one after the other: what the page shows and its buttons do. */
export class Stage {
	readonly #deployment: Deployment;
	readonly #stack: Stack;
	readonly #suite: Suite;
	readonly #onlookers = new Set<() => void>();
	readonly #board: Board;
	#larkMode: LarkMode | undefined;
	#queue: EvalCase[] = [];
	#runs: RunView[] = [];
	#problem: string | undefined;
	#isClosing = false;
	#running: { stop: AbortController; ended: Promise<void> } | undefined;
	readonly #timer: NodeJS.Timeout;

	constructor(deployment: Deployment, suite: Suite, agentUrl?: string) {
		this.#deployment = deployment;
		this.#stack = new Stack(deployment, agentUrl);
		this.#suite = suite;
		this.#board = new Board(deployment, () => this.#changed());
		this.#timer = setInterval(() => void this.refresh(), HEALTH_INTERVAL_MS).unref();
	}

	view(): PageView {
		return {
			nowMs: Date.now(),
			stack: this.#deployment.what,
			suite: this.#suite.file,
			cases: this.#suite.cases,
			services: this.#board.views(),
			queue: this.#queue.map(({ name }) => name),
			runs: this.#runs,
			...(this.#larkMode === undefined ? {} : { larkMode: this.#larkMode }),
			...(this.#problem === undefined ? {} : { problem: this.#problem }),
		};
	}

	/** @returns how to stop being told */
	watch(onlooker: () => void): () => void {
		this.#onlookers.add(onlooker);
		return () => this.#onlookers.delete(onlooker);
	}

	/** Asks every service how it is. */
	async refresh(): Promise<void> {
		await this.#board.refresh();
		this.#larkMode = await this.#stack.currentLarkMode().catch(() => undefined);
		this.#changed();
	}

	/** Stops or starts a service. What can't be done is told in the view. */
	async setService(name: PartName, act: 'stop' | 'start'): Promise<void> {
		await this.#attempt(() => this.#board[act](name));
		await this.refresh();
	}

	async setLarkMode(mode: LarkMode): Promise<void> {
		await this.#attempt(() => this.#stack.larkMode(mode));
		await this.refresh();
	}

	/** Lines the cases up; they run one after the other. */
	run(names: readonly string[]): void {
		this.#problem = undefined;
		this.#queue.push(...this.#suite.cases.filter(({ name }) => names.includes(name)));
		this.#changed();
		this.#next();
	}

	/** Ends the case that runs, and forgets those that would come next. Resolves when everything is mended. */
	async stop(): Promise<void> {
		this.#queue = [];
		this.#running?.stop.abort();
		await this.#running?.ended;
		this.#changed();
	}

	/** Starts what was stopped here, where the stack goes on after us. */
	async close(): Promise<void> {
		clearInterval(this.#timer);
		this.#isClosing = true;
		await this.stop();
		if (this.#deployment.isShared) for (const name of this.#board.stopped()) await this.#deployment.start(name);
	}

	#next(): void {
		const next = this.#running === undefined ? this.#queue.shift() : undefined;
		if (next === undefined) return;
		const stop = new AbortController();
		const ended = this.#perform(next, stop.signal).finally(() => {
			this.#running = undefined;
			this.#next();
		});
		this.#running = { stop, ended };
	}

	async #perform(one: EvalCase, signal: AbortSignal): Promise<void> {
		const who = introduced(one);
		const id = (this.#runs[0]?.id ?? 0) + 1;
		this.#runs = [
			{ id, case: one.name, principal: who.principal, state: 'running' as const, startedAtMs: Date.now(), calls: [], misses: [] },
			...this.#runs,
		].slice(0, MAX_RUNS);
		const tell = (part: Partial<RunView>) => {
			this.#runs = this.#runs.map((run) => (run.id === id ? { ...run, ...part } : run));
			this.#changed();
		};
		const done = new AbortController();
		try {
			tell({ doing: 'a fresh fake Stripe' });
			await this.#stack.resetLedger();
			const faults = this.#stillToInject(one.faults ?? {});
			if (one.faults?.['localstripe-mcp'] === undefined && !this.#board.isStopped('localstripe-mcp')) {
				tell({ doing: 'waiting until the gateway sees localstripe-mcp' });
				await this.#stack.untilUpstreamsSeen(signal);
			}
			tell({ doing: Object.keys(faults).length === 0 ? 'asking the agent' : `injecting ${faultsInWords(faults)}` });
			const mend = await injectFaults(faults, this.#board, this.#stack);
			void this.refresh();
			let asked: Awaited<ReturnType<typeof ask>>;
			try {
				tell({ doing: 'asking the agent' });
				void this.#followTrail(who.principal, tell, done.signal);
				asked = await ask(one, this.#stack, who, signal);
			} finally {
				tell({ doing: Object.keys(faults).length === 0 ? 'looking at what is left' : `healing ${faultsInWords(faults)}` });
				// What is about to be taken down needs no mending.
				if (!this.#isClosing || this.#deployment.isShared) await mend();
				void this.refresh();
			}
			done.abort();
			const { calls, misses, said } = await look(asked, this.#stack);
			tell({ state: misses.length === 0 ? 'held' : 'missed', calls: withAnswers(calls.map(viewOf), asked.answer.steps), misses, said });
		} catch (error) {
			tell(signal.aborted ? { state: 'stopped', why: 'stopped by hand' } : { state: 'broken', why: (error as Error).message });
		} finally {
			done.abort();
			tell({ endedAtMs: Date.now(), doing: undefined });
		}
	}

	/** A fault that is there already, by a button, is used, and stays. */
	#stillToInject(faults: Faults): Faults {
		const left = Object.entries(faults).filter(([name, fault]) =>
			fault === 'down' ? !this.#board.isStopped(name as PartName) : this.#larkMode !== fault,
		);
		return Object.fromEntries(left) as Faults;
	}

	async #followTrail(principal: string, tell: (part: Partial<RunView>) => void, done: AbortSignal): Promise<void> {
		let seen = '';
		while (!done.aborted) {
			try {
				const calls = tracesOf(await this.#stack.trail(principal));
				const isHeld = calls.some(({ isOver, words }) => !isOver && words.at(-1) === 'approvalRequired');
				const ends = isHeld ? await this.#stack.approvalsEndAtMs(principal) : new Map<string, number>();
				const views = calls.map(
					(call): CallView => ({ ...viewOf(call), ...(ends.has(call.callId) ? { expiresAtMs: ends.get(call.callId)! } : {}) }),
				);
				const now = JSON.stringify(views);
				if (!done.aborted && now !== seen) tell({ calls: views });
				seen = now;
			} catch {
				// The gateway is down or busy: the trail is looked at again, and the run itself tells what is wrong.
			}
			await wait(TRAIL_INTERVAL_MS, undefined, { signal: done }).catch(() => undefined);
		}
	}

	async #attempt(act: () => Promise<void>): Promise<void> {
		this.#problem = undefined;
		await act().catch((error: Error) => (this.#problem = error.message));
	}

	#changed(): void {
		for (const onlooker of this.#onlookers) onlooker();
	}
}

const faultsInWords = (faults: Faults): string =>
	Object.entries(faults)
		.map(([name, fault]) => `${name} ${fault}`)
		.join(', ');

function viewOf(call: CallTrace): CallView {
	const { callId, tool, wordsAtMs, isOver, events } = call;
	const args = events.find(({ input }) => input?.arguments !== undefined)?.input?.arguments;
	return { callId, tool, words: shownWords(call), wordsAtMs, isOver, events, ...(args === undefined ? {} : { arguments: args }) };
}

/** The answers that the agent tells, each beside the call of the same tool in the same place. */
function withAnswers(calls: readonly CallView[], steps: readonly AgentStep[]): CallView[] {
	const left = [...steps];
	return calls.map((call) => {
		const at = left.findIndex(({ tool }) => tool === call.tool);
		return at < 0 ? call : { ...call, answer: left.splice(at, 1)[0]!.text };
	});
}
