import type { Measured, SectionOptions } from '../section.ts';
import { canPin, leaveMeasuredCore } from '../server-process.ts';
import type { Row } from '../table.ts';
import { measureCalls } from './calls.ts';
import { measureEvents } from './events.ts';
import type { Plan } from './figure.ts';
import { measureIdle } from './idle.ts';
import { measureLists } from './lists.ts';
import { startStack } from './stack.ts';

export const says = 'lists, many tools, many upstreams and streams, through a gateway that records nothing';

const FULL: Plan = {
	loadMs: 1_500,
	warmUpMs: 3_000,
	agents: 16,
	rounds: 5,
	listed: [10, 100, 1_000],
	beside: [10, 100, 1_000, 10_000],
	events: 50,
	streams: 1_000,
};
const QUICK: Plan = { loadMs: 50, warmUpMs: 20, agents: 2, rounds: 1, listed: [20], beside: [10, 30], events: 3, streams: 12 };

const PARTS = { lists: measureLists, events: measureEvents, idle: measureIdle, calls: measureCalls } as const;

export interface McpOptions extends SectionOptions {
	/** By default all. */
	readonly only?: readonly (keyof typeof PARTS)[];
}

/** @throws {Error} an answer was wrong, an event of a call was lost, or a server ended. */
export async function measure({ isQuick, say, only }: McpOptions): Promise<Measured> {
	const plan = isQuick ? QUICK : FULL;
	leaveMeasuredCore();
	if (!canPin) say('no taskset or only one core: nothing is pinned, and the figures are rough');
	const rows: Row[] = [];
	const figures: Record<string, number> = {};
	const stack = new AsyncDisposableStack();
	try {
		const started = await startStack(stack);
		for (const [name, measureOne] of Object.entries(PARTS)) {
			if (only !== undefined && !only.includes(name as keyof typeof PARTS)) continue;
			for await (const { what, value, unit, goal, more = '' } of measureOne(started, plan)) {
				say(`${what}: ${shown(value)} ${unit}`);
				rows.push({ what, value: shown(value), unit, goal: goal === undefined ? '' : `≤ ${goal}`, more });
				figures[`${what}, ${unit}`] = value;
			}
		}
	} finally {
		await stack.disposeAsync();
	}
	return { rows, figures };
}

const shown = (value: number): string => (value >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(3));
