import type { BenchAgent } from '../agents.ts';
import { type Driven, drive, median } from '../load.ts';
import type { Measured, SectionOptions } from '../section.ts';
import { canPin, leaveMeasuredCore } from '../server-process.ts';
import type { Row } from '../table.ts';
import { CONTESTANTS, type Contestant, type ContestantName, startContestants } from './contestants.ts';

export const says = 'one call through the gateway, beside the references';

export interface MainOptions extends SectionOptions {
	/** By default all; the mock upstream and the floor are always among them. */
	readonly only?: readonly ContestantName[];
}

/** The engine has compiled what is hot after some ten thousand calls, however long they take. */
const FULL = { agents: 32, rounds: 5, warmUpCalls: 40_000, warmUpTurns: 20, loadMs: 2_000, singleMs: 500 };
const QUICK = { agents: 4, rounds: 1, warmUpCalls: 100, warmUpTurns: 1, loadMs: 200, singleMs: 50 };

/** A gateway must wait for itself, not for what stands behind it. */
const UPSTREAM_IS_FASTER = 3;

/** One round of one contestant. */
interface Round {
	/** Of the server process, all its threads, per call under load. */
	readonly cpuUs: number;
	readonly callsPerSecond: number;
	/** Median time of a call where it is the only one. */
	readonly singleP50Ms: number;
	readonly calls: number;
}

export interface Figures {
	readonly cpuUs: number;
	/** CPU time per call over that of the floor. */
	readonly floors: number;
	/** The same in each round, in order: how far to trust it. */
	readonly floorsByRound: readonly number[];
	readonly goal?: number;
	readonly callsPerSecond: number;
	readonly singleP50Ms: number;
	/** Over a call straight to the upstream. */
	readonly addedP50Ms: number;
	readonly rssMiB: number;
	/** Each of them answered rightly. */
	readonly calls: number;
}

/**
 * All contestants run all the time and take turns, round by round, so that whatever else the machine does meets all of them alike; the best
 * round counts. Only the ratios to the floor say anything about another machine.
 * @throws {Error} one call was answered wrongly, or a server ended.
 */
export async function measure({
	isQuick,
	say,
	only,
}: MainOptions): Promise<Measured & { readonly figures: Readonly<Record<string, Figures>> }> {
	const plan = isQuick ? QUICK : FULL;
	const all = Object.keys(CONTESTANTS) as ContestantName[];
	const names = all.filter((name) => name === 'upstream' || name === 'floor' || only === undefined || only.includes(name));
	leaveMeasuredCore();
	if (!canPin) say('no taskset or only one core: nothing is pinned, and the figures are rough');
	const stack = new AsyncDisposableStack();
	try {
		const contestants = await startContestants(names, stack);
		const runners: Runner[] = [];
		stack.defer(() => runners.forEach(({ agents }) => agents.forEach((agent) => agent.close())));
		for (const contestant of contestants) runners.push(await prepare(contestant, plan.agents));
		say('warming up');
		await warmUp(runners, plan);
		for (let round = 1; round <= plan.rounds; round++) {
			say(`round ${round} of ${plan.rounds}`);
			for (const runner of runners) runner.rounds.push(await measureRound(runner, plan));
		}
		const figures = figuresOf(runners);
		const near = names.find(
			(name) => 'goal' in CONTESTANTS[name] && figures[name]!.cpuUs < UPSTREAM_IS_FASTER * figures['upstream']!.cpuUs,
		);
		if (near !== undefined)
			say(`the mock upstream is not ${UPSTREAM_IS_FASTER} times as fast as ${near}: its calls/s are partly its upstream's`);
		return { figures, rows: Object.entries(figures).map(([name, each]) => rowOf(name as ContestantName, each)) };
	} finally {
		await stack.disposeAsync();
	}
}

interface Runner {
	readonly contestant: Contestant;
	readonly agents: readonly BenchAgent[];
	readonly rounds: Round[];
}

async function prepare(contestant: Contestant, count: number): Promise<Runner> {
	const agents: BenchAgent[] = [];
	while (agents.length < count) agents.push(await contestant.openAgent(agents.length));
	return { contestant, agents, rounds: [] };
}

/** In turns as well: a connection that lies idle for a minute is closed by the gateway. */
async function warmUp(runners: readonly Runner[], { warmUpCalls, warmUpTurns, loadMs }: typeof FULL): Promise<void> {
	const calls = new Map<Runner, number>(runners.map((runner) => [runner, 0]));
	for (let turn = 0; turn < warmUpTurns; turn++) {
		for (const [runner, before] of calls) {
			if (before < warmUpCalls) calls.set(runner, before + (await drive(runner.agents, loadMs)).calls);
		}
	}
}

async function measureRound(
	{ contestant: { server }, agents }: Runner,
	{ loadMs, singleMs }: { loadMs: number; singleMs: number },
): Promise<Round> {
	const beforeMs = server.cpuMs();
	const loaded = await drive(agents, loadMs);
	const cpuMs = server.cpuMs() - beforeMs;
	const single: Driven = await drive(agents.slice(0, 1), singleMs);
	return {
		cpuUs: (cpuMs * 1000) / loaded.calls,
		callsPerSecond: loaded.callsPerSecond,
		singleP50Ms: single.p50Ms,
		calls: loaded.calls + single.calls,
	};
}

function figuresOf(runners: readonly Runner[]): Record<string, Figures> {
	const roundsOf = (name: ContestantName) => runners.find(({ contestant }) => contestant.name === name)!.rounds;
	const least = (rounds: readonly Round[], key: 'cpuUs' | 'singleP50Ms') => Math.min(...rounds.map((round) => round[key]));
	const floor = roundsOf('floor');
	const straightMs = least(roundsOf('upstream'), 'singleP50Ms');
	return Object.fromEntries(
		runners.map(({ contestant: { name, server }, rounds }) => {
			const { goal } = CONTESTANTS[name] as { goal?: number };
			const cpuUs = least(rounds, 'cpuUs');
			const singleP50Ms = least(rounds, 'singleP50Ms');
			return [
				name,
				{
					cpuUs,
					floors: cpuUs / least(floor, 'cpuUs'),
					floorsByRound: rounds.map((round, n) => round.cpuUs / floor[n]!.cpuUs),
					...(goal === undefined ? {} : { goal }),
					callsPerSecond: Math.max(...rounds.map((round) => round.callsPerSecond)),
					singleP50Ms,
					addedP50Ms: singleP50Ms - straightMs,
					rssMiB: server.rssBytes() / 1024 / 1024,
					calls: rounds.reduce((sum, round) => sum + round.calls, 0),
				},
			];
		}),
	);
}

function rowOf(
	name: ContestantName,
	{ cpuUs, floors, floorsByRound, goal, callsPerSecond, singleP50Ms, addedP50Ms, rssMiB, calls }: Figures,
): Row {
	return {
		name,
		'CPU µs/call': cpuUs.toFixed(1),
		'× floor': floors.toFixed(2),
		median: median(floorsByRound).toFixed(2),
		goal: goal === undefined ? '' : `≤ ${goal.toFixed(1)}`,
		'calls/s': callsPerSecond.toFixed(0),
		'p50 ms': singleP50Ms.toFixed(3),
		added: name === 'upstream' ? '' : addedP50Ms.toFixed(3),
		'RSS MiB': rssMiB.toFixed(0),
		calls: String(calls),
		what: CONTESTANTS[name].says,
	};
}
