import classes from './charts.module.css';

export interface Series {
	/** Stands beside the colour wherever it is shown. */
	readonly name: string;
	/** CSS. */
	readonly color: string;
}

export interface Bar {
	readonly key: string | number;
	/** How much of each series, in their order. */
	readonly values: readonly number[];
	/** A line that stands for the bar in words. */
	readonly says: string;
}

interface BarsProps {
	readonly series: readonly Series[];
	readonly bars: readonly Bar[];
	/** What the height of the chart stands for. */
	readonly max: number;
	/** The whole chart in a sentence. */
	readonly label: string;
	/** A line across, such as a limit. */
	readonly mark?: number;
	readonly onHover: (bar: Bar | undefined) => void;
	readonly onChoose?: (bar: Bar) => void;
}

/** Bars over time, the series on top of one another. Styles are set through the document's object model: the policy of the page admits no other. */
export function StackedBars({ series, bars, max, label, mark, onHover, onChoose }: BarsProps) {
	const share = (value: number): string => `${max === 0 ? 0 : (value / max) * 100}%`;
	return (
		<div role="img" aria-label={label} className={classes['bars']} onMouseLeave={() => onHover(undefined)}>
			{mark !== undefined && <div className={classes['mark']} style={{ bottom: share(mark) }} />}
			{bars.map((bar) => (
				<div
					key={bar.key}
					className={classes['bar']}
					data-choosable={onChoose === undefined ? undefined : true}
					onMouseEnter={() => onHover(bar)}
					onClick={() => onChoose?.(bar)}
				>
					{bar.values.map((value, n) =>
						value === 0 ? null : (
							<div key={series[n]!.name} className={classes['part']} style={{ height: share(value), background: series[n]!.color }} />
						),
					)}
				</div>
			))}
		</div>
	);
}

/** The words of a chart beside their colours. */
export function Swatch({ color }: { readonly color: string }) {
	return <span className={classes['swatch']} style={{ background: color }} aria-hidden="true" />;
}
