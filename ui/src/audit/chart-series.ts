import type { CountsOverTime } from '../api/trail.ts';
import type { Bar, Series } from '../charts/stacked-bars.tsx';

export type Counted = 'verdict' | 'outcome';

const COLORS: Readonly<Record<Counted, Readonly<Record<string, string>>>> = {
	verdict: { allow: 'green-6', approvalRequired: 'yellow-5', budgetExceeded: 'orange-6', deny: 'red-7' },
	outcome: {
		ok: 'green-6',
		approved: 'lime-5',
		replayed: 'cyan-5',
		withheld: 'yellow-5',
		tool_error: 'orange-6',
		upstream_error: 'red-5',
		upstream_timeout: 'red-8',
		outcome_unknown: 'grape-6',
		rejected: 'pink-7',
		expired: 'indigo-4',
	},
};
const MIN_BARS = 30;
const OTHER = 'refused otherwise';

export interface ChartData {
	readonly series: readonly (Series & { readonly total: number; readonly isWord: boolean })[];
	readonly bars: readonly (Bar & { readonly startMs: number; readonly endMs: number })[];
	readonly max: number;
}

/** A bar for each step of the time, also where nothing was said; words without a colour of their own are one series. */
export function chartOf({ fromMs, toMs, stepMs, bars }: CountsOverTime, by: Counted): ChartData {
	const colors = COLORS[by];
	const nameOf = (word: string) => (word in colors ? word : OTHER);
	const totals = new Map<string, number>();
	for (const { counts } of bars) {
		for (const [word, count] of Object.entries(counts)) totals.set(nameOf(word), (totals.get(nameOf(word)) ?? 0) + count);
	}
	const names = [...Object.keys(colors), OTHER].filter((name) => totals.has(name));
	const byStart = new Map(bars.map(({ startMs, counts }) => [startMs, counts]));
	const shown: ChartData['bars'][number][] = [];
	// A handful of bars would be as wide as walls.
	for (let startMs = Math.min(fromMs, toMs - MIN_BARS * stepMs); startMs < toMs; startMs += stepMs) {
		const values = names.map(() => 0);
		for (const [word, count] of Object.entries(byStart.get(startMs) ?? {})) values[names.indexOf(nameOf(word))]! += count;
		const said = names.flatMap((name, n) => (values[n] === 0 ? [] : [`${values[n]!.toLocaleString()} ${name}`]));
		const endMs = startMs + stepMs;
		shown.push({ key: startMs, startMs, endMs, values, says: `${spanOf(startMs, endMs)}: ${said.join(', ') || 'nothing'}` });
	}
	return {
		series: names.map((name) => ({
			name,
			color: `var(--mantine-color-${colors[name] ?? 'gray-6'})`,
			total: totals.get(name)!,
			isWord: name !== OTHER,
		})),
		bars: shown,
		max: Math.max(0, ...shown.map(({ values }) => values.reduce((sum, value) => sum + value, 0))),
	};
}

const DAY_MS = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dayClock = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });

/** A time as exactly as the distance of the bars wants it. */
export function timeLabel(ms: number, stepMs: number): string {
	if (stepMs < 60_000) return clockSeconds.format(ms);
	return (stepMs >= DAY_MS ? day : dayClock).format(ms);
}

function spanOf(startMs: number, endMs: number): string {
	const stepMs = endMs - startMs;
	if (stepMs >= DAY_MS) return stepMs === DAY_MS ? day.format(startMs) : `${day.format(startMs)} – ${day.format(endMs)}`;
	return stepMs < 60_000
		? `${clockSeconds.format(startMs)} – ${clockSeconds.format(endMs)}`
		: `${dayClock.format(startMs)} – ${clock.format(endMs)}`;
}
