import { Button, UnstyledButton } from '@mantine/core';
import type { PageView, RunView } from '../../../tools/eval-runner/serve/view.ts';
import classes from './evals.module.css';
import { run, stop } from './stage.ts';

/** What came of a run, as a word with a mark. */
export const STATES: Readonly<Record<RunView['state'] | 'queued' | 'never', { mark: string; says: string; color: string }>> = {
	running: { mark: '◌', says: 'running', color: 'blue' },
	held: { mark: '✓', says: 'as expected', color: 'green' },
	missed: { mark: '✘', says: 'not as expected', color: 'red' },
	broken: { mark: '!', says: 'could not run', color: 'red' },
	stopped: { mark: '■', says: 'stopped', color: 'gray' },
	queued: { mark: '…', says: 'comes next', color: 'gray' },
	never: { mark: '·', says: 'not run yet', color: 'gray' },
};

interface CasesProps {
	readonly view: PageView;
	readonly chosen: string | undefined;
	readonly onChoose: (name: string) => void;
}

/** The list of cases: run one, all, or stop. */
export function Cases({ view, chosen, onChoose }: CasesProps) {
	const isBusy = view.runs[0]?.state === 'running' || view.queue.length > 0;
	return (
		<section aria-label="Cases" className={classes['panel']}>
			<div className={classes['panelHead']}>
				<h2>Cases</h2>
				{isBusy ? (
					<Button size="compact-xs" color="red" variant="light" onClick={() => void stop()}>
						Stop
					</Button>
				) : (
					<Button size="compact-xs" onClick={() => void run(view.cases.map(({ name }) => name))}>
						Run all
					</Button>
				)}
			</div>
			<ul className={classes['cases']}>
				{view.cases.map(({ name, faults = {} }) => {
					const last = view.runs.find((one) => one.case === name);
					const { mark, says, color } = STATES[view.queue.includes(name) ? 'queued' : (last?.state ?? 'never')];
					return (
						<li key={name} className={name === chosen ? classes['chosen'] : undefined}>
							<UnstyledButton className={classes['case']} onClick={() => onChoose(name)} aria-current={name === chosen}>
								<span className={classes['mark']} style={{ color: `var(--mantine-color-${color}-text)` }} aria-hidden="true">
									{mark}
								</span>
								<span className={classes['caseName']}>
									{name}
									<small>
										{says}
										{Object.entries(faults).map(([service, fault]) => ` · ${service} ${fault}`)}
									</small>
								</span>
							</UnstyledButton>
							<Button
								size="compact-xs"
								variant="default"
								disabled={last?.state === 'running' || view.queue.includes(name)}
								onClick={() => (onChoose(name), void run([name]))}
								aria-label={`run ${name}`}
							>
								Run
							</Button>
						</li>
					);
				})}
			</ul>
		</section>
	);
}
