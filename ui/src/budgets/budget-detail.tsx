import { useState } from 'react';
import type { Budget, WindowUse } from '../api/trail.ts';
import { type Bar, StackedBars, Swatch } from '../charts/stacked-bars.tsx';
import { DetailHead } from '../shell/detail-head.tsx';
import { followsInPage } from '../shell/location.ts';
import { Copyable } from '../text/copyable.tsx';
import { Moment } from '../text/moment.tsx';
import { Visible } from '../text/visible.tsx';
import { stateOf } from './budget-list.tsx';
import classes from './detail.module.css';
import { keyParts } from './key-parts.ts';
import { Reset } from './reset.tsx';
import { useHistory } from './use-budgets.ts';

interface DetailProps {
	readonly budget: Budget;
	readonly backTo: string;
	readonly isBeside: boolean;
	readonly onReset: () => Promise<void>;
}

/** One budget: how full it is, its use over time, whose events used it, and the way to forget them. */
export function BudgetDetail({ budget, backTo, isBeside, onReset }: DetailProps) {
	const { rule, unit, limit, used, spent, reserved, overrun, windowEndMs, key } = budget;
	const windows = useHistory(budget);
	const parts = keyParts(key);
	const eventsHref = `/audit?${new URLSearchParams({ text: key })}`;
	const ruleHref = `/audit?${new URLSearchParams({ text: rule })}`;
	return (
		<article className={classes['detail']}>
			<DetailHead backTo={backTo} isBeside={isBeside}>
				<Visible text={rule} />
			</DetailHead>
			<p className={classes['sum']}>
				<b>
					{used.toLocaleString()} of {limit.toLocaleString()} <Visible text={unit} />
				</b>{' '}
				used, {stateOf(budget).word}; resets <Moment ms={windowEndMs} />
			</p>
			<dl className={classes['facts']}>
				{(parts?.by ?? []).map(({ name, value }) => (
					<Fact key={name} name={name}>
						<Visible text={value} />
					</Fact>
				))}
				{parts !== undefined && (
					<Fact name="window">
						<Visible text={parts.window} />
					</Fact>
				)}
				<Fact name="spent">{spent.toLocaleString()}</Fact>
				<Fact name="reserved">{reserved.toLocaleString()}, by calls under way</Fact>
				{overrun > 0 && <Fact name="overrun">{overrun.toLocaleString()}, true costs above what was reserved</Fact>}
				<Fact name="key">
					<Copyable text={key} />
				</Fact>
			</dl>
			<h2>Use over time</h2>
			<Use windows={windows} unit={unit} />
			<h2>In the trail</h2>
			<p className={classes['links']}>
				<a href={eventsHref} onClick={followsInPage(eventsHref)}>
					what used this budget
				</a>
				<a href={ruleHref} onClick={followsInPage(ruleHref)}>
					everything that names the rule
				</a>
			</p>
			<h2>Reset</h2>
			<Reset budget={budget} onReset={onReset} />
		</article>
	);
}

function Fact({ name, children }: { readonly name: string; readonly children: React.ReactNode }) {
	return (
		<div>
			<dt>{name}</dt>
			<dd>{children}</dd>
		</div>
	);
}

const SERIES = [
	{ name: 'used', color: 'var(--mantine-color-gate-6)' },
	{ name: 'overrun', color: 'var(--mantine-color-orange-6)' },
];
const MIN_BARS = 24;
const until = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });

/** A bar for each window in which it was used. */
function Use({ windows, unit }: { readonly windows: readonly WindowUse[] | undefined; readonly unit: string }) {
	const [hovered, setHovered] = useState<Bar>();
	if (windows === undefined) return <div className={classes['plot']} />;
	const limit = windows.at(-1)?.limit ?? 0;
	const bars: Bar[] = windows.map((one) => ({
		key: one.windowEndMs,
		values: [one.mostUsed - Math.min(one.mostUsed, one.overrun), Math.min(one.mostUsed, one.overrun)],
		says: `until ${until.format(one.windowEndMs)}: ${one.mostUsed.toLocaleString()} of ${one.limit.toLocaleString()} ${unit}`,
	}));
	const before: Bar[] = Array.from({ length: Math.max(0, MIN_BARS - bars.length) }, (_, n) => ({
		key: `before ${n}`,
		values: [],
		says: '',
	}));
	const hasOverrun = windows.some(({ overrun }) => overrun > 0);
	return (
		<>
			<p className={classes['legend']}>
				{SERIES.filter(({ name }) => name === 'used' || hasOverrun).map(({ name, color }) => (
					<span key={name}>
						<Swatch color={color} /> {name}
					</span>
				))}
				<span>
					<span className={classes['dash']} aria-hidden="true" /> limit {limit.toLocaleString()}
				</span>
				<span className={classes['readout']}>{hovered?.says ?? ''}</span>
			</p>
			<div className={classes['plot']}>
				<StackedBars
					series={SERIES}
					bars={[...before, ...bars]}
					max={Math.max(limit, ...windows.map(({ mostUsed }) => mostUsed)) * 1.08}
					mark={limit}
					label={`Use of the last ${bars.length} windows: ${bars.map(({ says }) => says).join('; ')}`}
					onHover={(bar) => setHovered(bar?.says === '' ? undefined : bar)}
				/>
			</div>
		</>
	);
}
