import { Code, Collapse, UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import type { CallView, RunView } from '../../../tools/eval-runner/serve/view.ts';
import { JsonText } from '../text/json-text.tsx';
import { duration } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './evals.module.css';
import { useTicking } from './stage.ts';

const WITHOUT_CALLS: Readonly<Record<RunView['state'] | 'never', string>> = {
	never: 'Not run yet. The calls stand here as they happen: press Run, or the key r.',
	running: 'No call yet.',
	held: 'No call reached the gate.',
	missed: 'No call reached the gate.',
	stopped: 'Stopped before the first call.',
	broken: 'No call was made.',
};

/** The calls of a run as they happen, each a line of badges; a click opens what is behind it. */
export function Trace({ run }: { readonly run: RunView | undefined }) {
	if (run === undefined || run.calls.length === 0) return <p className={classes['dim']}>{WITHOUT_CALLS[run?.state ?? 'never']}</p>;
	return (
		<ol className={classes['trace']} aria-label="Trace">
			{run.calls.map((call, place) => (
				<Call
					key={call.callId}
					call={call}
					since={place === 0 ? undefined : run.calls[place - 1]!.wordsAtMs.at(-1)}
					isLive={run.state === 'running'}
				/>
			))}
		</ol>
	);
}

function Call({ call, since, isLive }: { readonly call: CallView; readonly since: number | undefined; readonly isLive: boolean }) {
	const [isOpen, setOpen] = useState(false);
	const { tool, words, wordsAtMs, expiresAtMs } = call;
	return (
		<li>
			<UnstyledButton className={classes['call']} onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
				<span className={classes['gap']}>{since === undefined ? '' : `+${duration(wordsAtMs[0]! - since)}`}</span>
				<span className={classes['tool']}>
					<Visible text={tool} />
				</span>
				{words.map((word, place) => (
					<span key={place} className={classes['step']}>
						{place > 0 && <span className={classes['gap']}>→ {duration(wordsAtMs[place]! - wordsAtMs[place - 1]!)}</span>}
						<Word word={word} />
					</span>
				))}
				{isLive && !call.isOver && <Waiting expiresAtMs={expiresAtMs} />}
			</UnstyledButton>
			<Collapse expanded={isOpen} transitionDuration={0}>
				<div className={classes['behind']}>
					<h4>Arguments, as recorded</h4>
					<JsonText value={(call.arguments ?? {}) as object} />
					{call.answer !== undefined && (
						<>
							<h4>What the agent was answered</h4>
							<Code block>
								<Visible text={call.answer} isBlock />
							</Code>
						</>
					)}
					<h4>Events of the trail</h4>
					{call.events.map((event, place) => (
						<JsonText key={place} value={event} />
					))}
				</div>
			</Collapse>
		</li>
	);
}

/** What is still to come; a held approval counts down. */
function Waiting({ expiresAtMs }: { readonly expiresAtMs: number | undefined }) {
	const nowMs = useTicking(expiresAtMs !== undefined);
	if (expiresAtMs === undefined) return <span className={classes['gap']}>…</span>;
	return (
		<span className={classes['countdown']} role="timer">
			expires in {Math.max(0, (expiresAtMs - nowMs) / 1000).toFixed(1)} s
		</span>
	);
}
