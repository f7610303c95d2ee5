import { Alert, Badge, Center, Loader, UnstyledButton } from '@mantine/core';
import { useEffect, useState } from 'react';
import type { PageView, RunView } from '../../../tools/eval-runner/serve/view.ts';
import { Mark } from '../shell/icons.tsx';
import { SchemeToggle } from '../shell/shell.tsx';
import { Moment } from '../text/moment.tsx';
import { duration } from '../text/times.ts';
import { Cases, STATES } from './cases.tsx';
import classes from './evals.module.css';
import { Services } from './services.tsx';
import { follow, run, stop, useKnown, useTicking } from './stage.ts';
import { Trace } from './trace.tsx';
import { Verdict } from './verdict.tsx';

/** The cases of one suite, the stack under them, and what happens. */
export function EvalsPage() {
	const { view, isConnected, problem } = useKnown();
	const [chosen, setChosen] = useState<string>();
	const [shown, setShown] = useState<number>();
	useEffect(follow, []);
	const name = chosen ?? view?.cases[0]?.name;
	const choose = (next: string) => {
		setChosen(next);
		setShown(undefined);
	};
	useEffect(() => {
		if (view === undefined || name === undefined) return undefined;
		const onKey = keys(view, name, choose);
		document.addEventListener('keydown', onKey);
		return () => document.removeEventListener('keydown', onKey);
	});
	if (view === undefined || name === undefined) {
		return (
			<Center mih="100vh">
				<Loader size="sm" aria-label="asking the eval runner" />
			</Center>
		);
	}
	const expected = view.cases.find((one) => one.name === name)!;
	const ofCase = view.runs.filter((one) => one.case === name);
	const one = ofCase.find(({ id }) => id === shown) ?? ofCase[0];
	return (
		<>
			<header className={classes['header']}>
				<Mark />
				<strong>Evals</strong>
				<span className={classes['dim']}>
					{view.suite} on {view.stack}
				</span>
				<span className={classes['right']}>
					<SchemeToggle />
				</span>
			</header>
			{!isConnected && (
				<Alert color="red" role="alert" radius={0}>
					The eval runner does not answer any more: start it again with npm run eval -- --serve {view.suite}
				</Alert>
			)}
			{(problem ?? view.problem) !== undefined && (
				<Alert color="red" role="alert" radius={0}>
					{problem ?? view.problem}
				</Alert>
			)}
			<main className={classes['page']}>
				<aside className={classes['side']}>
					<Services view={view} />
					<Cases view={view} chosen={name} onChoose={choose} />
					<p className={classes['hint']}>
						<kbd>j</kbd> <kbd>k</kbd> choose, <kbd>r</kbd> run, <kbd>a</kbd> run all, <kbd>s</kbd> stop
					</p>
				</aside>
				<article className={classes['detail']} aria-label={name}>
					<div className={classes['title']}>
						<h1>{name}</h1>
						{one !== undefined && <RunState run={one} />}
					</div>
					<p className={classes['input']}>“{expected.input}”</p>
					<Trace run={one} />
					<Verdict expected={expected} run={one} />
					<History runs={ofCase} shown={one?.id} onShow={setShown} />
				</article>
			</main>
		</>
	);
}

/** The word and the time it has taken so far. */
function RunState({ run: { state, startedAtMs, endedAtMs, doing } }: { readonly run: RunView }) {
	const nowMs = useTicking(endedAtMs === undefined);
	return (
		<span className={classes['runState']}>
			{doing !== undefined && <span className={classes['dim']}>{doing}</span>}
			<Badge color={STATES[state].color} variant="light" tt="none">
				{STATES[state].says}
			</Badge>
			<span role="timer" aria-label="elapsed" className={classes['elapsed']}>
				{(((endedAtMs ?? nowMs) - startedAtMs) / 1000).toFixed(1)} s
			</span>
		</span>
	);
}

function History({
	runs,
	shown,
	onShow,
}: {
	readonly runs: readonly RunView[];
	readonly shown: number | undefined;
	readonly onShow: (id: number) => void;
}) {
	if (runs.length === 0) return null;
	return (
		<section aria-label="History">
			<h3>History</h3>
			<ul className={classes['history']}>
				{runs.map(({ id, state, startedAtMs, endedAtMs, principal }) => (
					<li key={id}>
						<UnstyledButton onClick={() => onShow(id)} aria-current={id === shown} className={classes['past']}>
							<Badge size="sm" color={STATES[state].color} variant="light" tt="none">
								{STATES[state].says}
							</Badge>
							<Moment ms={startedAtMs} />
							<span>{endedAtMs === undefined ? '' : duration(endedAtMs - startedAtMs)}</span>
							<span className={classes['dim']}>{principal}</span>
						</UnstyledButton>
					</li>
				))}
			</ul>
		</section>
	);
}

/** Every button by a key, unless somebody types. */
function keys(view: PageView, name: string, choose: (name: string) => void): (event: KeyboardEvent) => void {
	const names = view.cases.map((one) => one.name);
	const at = names.indexOf(name);
	return (event) => {
		const { target, key } = event;
		if (
			event.ctrlKey ||
			event.metaKey ||
			event.altKey ||
			(target instanceof HTMLElement && target.closest('input, textarea, [role=listbox]') !== null)
		)
			return;
		const isBusy = view.runs[0]?.state === 'running' || view.queue.length > 0;
		if (key === 'j') choose(names[Math.min(at + 1, names.length - 1)]!);
		else if (key === 'k') choose(names[Math.max(at - 1, 0)]!);
		else if (key === 'r' && !view.queue.includes(name)) void run([name]);
		else if (key === 'a' && !isBusy) void run(names);
		else if (key === 's') void stop();
	};
}
