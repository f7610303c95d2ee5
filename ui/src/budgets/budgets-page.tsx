import { Alert, Code, Loader, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback, useMediaQuery } from '@mantine/hooks';
import { useEffect, useState } from 'react';
import type { Session } from '../api/types.ts';
import { BudgetIcon } from '../shell/icons.tsx';
import { useKeys } from '../shell/keys.ts';
import { navigate, useLocation } from '../shell/location.ts';
import { Shell } from '../shell/shell.tsx';
import { BudgetDetail } from './budget-detail.tsx';
import { BudgetList } from './budget-list.tsx';
import classes from './budgets.module.css';
import { useBudgets } from './use-budgets.ts';

const FILTER_ID = 'budget-filter';
const TYPING_MS = 250;

/** What is used of each limit. The filter and the chosen one stand in the address. */
export function BudgetsPage({ session }: { readonly session: Session }) {
	const { searchParams: search } = useLocation();
	const text = search.get('text') ?? '';
	const key = search.get('key') ?? undefined;
	const isWide = useMediaQuery('(min-width: 62em)', undefined, { getInitialValueInEffect: false }) ?? true;
	const { budgets, problem, look } = useBudgets(text);
	const chosen = budgets?.find((budget) => budget.key === key);

	const hrefOf = (to: string | undefined, filter = text): string => {
		const params = new URLSearchParams({ ...(filter === '' ? {} : { text: filter }), ...(to === undefined ? {} : { key: to }) });
		return params.size === 0 ? '/budgets' : `/budgets?${params}`;
	};
	const step = (by: 1 | -1) => () => {
		const place = budgets?.findIndex((budget) => budget.key === key) ?? -1;
		const next = budgets?.[place === -1 ? 0 : place + by];
		if (next !== undefined) navigate(hrefOf(next.key), { replaces: key !== undefined });
	};
	useKeys({
		j: step(1),
		ArrowDown: step(1),
		k: step(-1),
		ArrowUp: step(-1),
		Enter: () => (key === undefined ? step(1)() : document.getElementById('detail')?.focus()),
		Escape: () => navigate(hrefOf(undefined)),
		'/': () => document.getElementById(FILTER_ID)?.focus(),
	});
	useEffect(() => {
		document.title = 'Budgets · ToolGate';
	}, []);
	return (
		<Shell session={session} page="budgets">
			<div className={classes['page']} data-chosen={(isWide && key !== undefined) || undefined}>
				{(isWide || key === undefined) && (
					<section className={classes['list']} aria-label="Limits">
						<Filter text={text} onFilter={(typed) => navigate(hrefOf(key, typed), { replaces: true })} />
						{problem !== undefined && (
							<Alert color="red" variant="light" role="alert" mx="md" mb="sm" p="sm">
								{problem}
							</Alert>
						)}
						{budgets !== undefined && budgets.length > 0 && <BudgetList budgets={budgets} chosen={key} hrefOf={hrefOf} />}
						{budgets?.length === 0 && <Empty isFiltered={text !== ''} />}
					</section>
				)}
				{key !== undefined && (
					<section id="detail" className={classes['beside']} aria-label="Budget" tabIndex={-1}>
						{chosen !== undefined ? (
							<BudgetDetail key={key} budget={chosen} backTo={hrefOf(undefined)} isBeside={isWide} onReset={look} />
						) : budgets === undefined ? (
							<div className={classes['empty']}>
								<Loader size="sm" aria-label="reading the budgets" />
							</div>
						) : (
							<div className={classes['empty']}>
								<Text size="sm" c="dimmed" maw={360}>
									This budget is not open any more: its window has ended, or the filter leaves it out. Press <Code>Esc</Code> for the list.
								</Text>
							</div>
						)}
					</section>
				)}
			</div>
		</Shell>
	);
}

function Filter({ text, onFilter }: { readonly text: string; readonly onFilter: (text: string) => void }) {
	const [typed, setTyped] = useState(text);
	const later = useDebouncedCallback(onFilter, TYPING_MS);
	useEffect(() => {
		// Another address; who types is ahead of it.
		if (document.activeElement?.id !== FILTER_ID) setTyped(text);
	}, [text]);
	return (
		<div className={classes['filter']} role="search">
			<TextInput
				id={FILTER_ID}
				size="xs"
				aria-label="Filter by rule, unit or whom it counts"
				placeholder="Filter: a rule, a unit, or whom it counts   /"
				value={typed}
				onChange={({ currentTarget: { value } }) => {
					setTyped(value);
					later(value);
				}}
				onKeyDown={({ key, currentTarget }) => key === 'Escape' && currentTarget.blur()}
				autoComplete="off"
				spellCheck={false}
			/>
		</div>
	);
}

function Empty({ isFiltered }: { readonly isFiltered: boolean }) {
	return (
		<div className={classes['empty']}>
			<BudgetIcon />
			<Text fw={600}>{isFiltered ? 'No open budget fits' : 'No budget is in use'}</Text>
			<Text size="sm" c="dimmed" maw={440}>
				{isFiltered ? (
					'Type something else: what a rule, a unit, a principal or a tool has in its name.'
				) : (
					<>
						A budget appears when a call first spends of it. Rules with the verdict <Code>budget</Code> make them: the policy page of the
						documentation shows how.
					</>
				)}
			</Text>
		</div>
	);
}
