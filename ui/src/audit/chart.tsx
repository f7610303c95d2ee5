import { SegmentedControl, UnstyledButton } from '@mantine/core';
import { useEffect, useMemo, useState } from 'react';
import { get } from '../api/http.ts';
import type { CountsOverTime } from '../api/trail.ts';
import { type Bar, StackedBars, Swatch } from '../charts/stacked-bars.tsx';
import { chartOf, type Counted, timeLabel } from './chart-series.ts';
import classes from './chart.module.css';

interface ChartProps {
	/** Of the API. */
	readonly query: string;
	/** Another value: look again; undefined: wait. */
	readonly edition: string | undefined;
	readonly by: Counted;
	readonly bars: number;
	readonly onBy: (by: Counted) => void;
	readonly onWord: (word: string) => void;
	readonly onSpan: (fromMs: number, toMs: number) => void;
}

/** How calls were decided over time, or what came of them; a word narrows to it, a bar to its time. */
export function Chart({ query, edition, by, bars, onBy, onWord, onSpan }: ChartProps) {
	const counts = useCounts(`by=${by}&bars=${bars}${query === '' ? '' : `&${query}`}`, edition);
	const data = useMemo(() => (counts === undefined ? undefined : chartOf(counts, by)), [counts, by]);
	const [hovered, setHovered] = useState<Bar>();
	return (
		<section className={classes['chart']} aria-label="Over time">
			<div className={classes['head']}>
				<SegmentedControl
					size="xs"
					value={by}
					onChange={(value) => onBy(value as Counted)}
					data={[
						{ value: 'verdict', label: 'Verdicts' },
						{ value: 'outcome', label: 'Outcomes' },
					]}
				/>
				<ul className={classes['legend']}>
					{data?.series.map(({ name, color, total, isWord }) => (
						<li key={name}>
							<UnstyledButton
								className={classes['word']}
								disabled={!isWord}
								onClick={() => onWord(name)}
								title={isWord ? `only ${name}` : undefined}
							>
								<Swatch color={color} />
								{name} <b>{total.toLocaleString()}</b>
							</UnstyledButton>
						</li>
					))}
					{data !== undefined && data.series.length === 0 && <li className={classes['dim']}>Nothing to count.</li>}
				</ul>
				<span className={classes['readout']} aria-live="off">
					{hovered?.says ?? (counts?.isAll === false ? `the newest ${counts.total.toLocaleString()}; older ones are not counted` : '')}
				</span>
			</div>
			<div className={classes['plot']}>
				<span className={classes['most']}>{data === undefined || data.max === 0 ? '' : data.max.toLocaleString()}</span>
				{data !== undefined && (
					<StackedBars
						series={data.series}
						bars={data.bars}
						max={data.max}
						label={`${by === 'verdict' ? 'Verdicts' : 'Outcomes'} over time: ${data.series.map(({ name, total }) => `${total} ${name}`).join(', ') || 'none'}`}
						onHover={setHovered}
						onChoose={({ key }) => onSpan(Number(key), Number(key) + counts!.stepMs)}
					/>
				)}
			</div>
			<div className={classes['axis']}>
				<span>{counts === undefined || counts.total === 0 ? '' : timeLabel(data?.bars[0]?.startMs ?? counts.fromMs, counts.stepMs)}</span>
				<span>{counts === undefined || counts.total === 0 ? '' : timeLabel(counts.toMs, counts.stepMs)}</span>
			</div>
		</section>
	);
}

/** The last answer stays until the next has come, so that nothing flickers. A filter that is refused says so beside the list. */
function useCounts(query: string, edition: string | undefined): CountsOverTime | undefined {
	const [counts, setCounts] = useState<CountsOverTime>();
	useEffect(() => {
		if (edition === undefined) return undefined;
		let isCurrent = true;
		get<CountsOverTime>(`/api/audit/counts?${query}`).then(
			(found) => isCurrent && setCounts(found),
			() => isCurrent && setCounts(undefined),
		);
		return () => {
			isCurrent = false;
		};
	}, [query, edition]);
	return counts;
}
