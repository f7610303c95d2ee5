import { Progress } from '@mantine/core';
import type { Budget } from '../api/trail.ts';
import { followsInPage } from '../shell/location.ts';
import { useNow } from '../text/clock.ts';
import { amountOf } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import classes from './budgets.module.css';
import { keyParts } from './key-parts.ts';

interface ListProps {
	readonly budgets: readonly Budget[];
	readonly chosen: string | undefined;
	readonly hrefOf: (key: string) => string;
}

/** How full a budget is, as a word: the colour only helps. */
export function stateOf({ used, limit }: Pick<Budget, 'used' | 'limit'>): {
	readonly word: 'used up' | 'half used' | 'has room';
	readonly color: string;
} {
	if (used >= limit) return { word: 'used up', color: 'red' };
	return used * 2 >= limit ? { word: 'half used', color: 'yellow' } : { word: 'has room', color: 'green' };
}

export function BudgetList({ budgets, chosen, hrefOf }: ListProps) {
	return (
		<>
			<div className={`${classes['row']} ${classes['titles']}`} aria-hidden="true">
				<span className={classes['rule']}>Rule</span>
				<span className={classes['by']}>Counts</span>
				<span className={classes['window']}>Per</span>
				<span className={classes['use']}>Used</span>
				<span className={classes['reserved']}>Reserved</span>
				<span className={classes['resets']}>Resets</span>
			</div>
			<ul className={classes['rows']} aria-label="Budgets">
				{budgets.map((budget) => (
					<li key={budget.key}>
						<Row budget={budget} href={hrefOf(budget.key)} isChosen={budget.key === chosen} />
					</li>
				))}
			</ul>
		</>
	);
}

function Row({ budget, href, isChosen }: { readonly budget: Budget; readonly href: string; readonly isChosen: boolean }) {
	const { rule, unit, limit, used, reserved, windowEndMs, key } = budget;
	const parts = keyParts(key);
	const nowMs = useNow();
	const { word, color } = stateOf(budget);
	return (
		<a href={href} onClick={followsInPage(href)} className={classes['row']} aria-current={isChosen}>
			<strong className={classes['rule']}>
				<Visible text={rule} />
			</strong>
			<span className={classes['by']}>
				<Visible text={parts === undefined ? key : parts.by.map(({ name, value }) => `${name} ${value}`).join(', ') || 'everyone'} />
			</span>
			<span className={classes['window']}>
				<Visible text={parts?.window ?? ''} />
			</span>
			<span className={classes['use']}>
				<span className={classes['amount']}>
					<span>
						{used.toLocaleString()} of {limit.toLocaleString()} <Visible text={unit} />
					</span>
					<span className={classes['state']}>{word}</span>
				</span>
				<Progress
					value={limit === 0 ? 100 : Math.min(100, (used / limit) * 100)}
					color={color}
					size={5}
					aria-label={`${used} of ${limit} used`}
				/>
			</span>
			<span className={classes['reserved']}>{reserved === 0 ? '' : reserved.toLocaleString()}</span>
			<span className={classes['resets']} title={new Date(windowEndMs).toLocaleString()}>
				in {amountOf(Math.max(0, windowEndMs - nowMs))}
			</span>
		</a>
	);
}
