import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { get } from '../api/http.ts';
import type { ProofStatus, VerifyReport } from '../api/trail.ts';
import { ShieldIcon, WarningIcon } from '../shell/icons.tsx';
import { Moment } from '../text/moment.tsx';
import { Visible } from '../text/visible.tsx';
import classes from './chain.module.css';

const LOOK_EVERY_MS = 15_000;

/** Whether the trail is whole: what was verified last and when, and the last checkpoint that agreed. */
export function Chain() {
	const [status, setStatus] = useState<ProofStatus>();
	const [work, setWork] = useState<{ readonly isVerifying: boolean; readonly problem?: string }>({ isVerifying: false });
	useEffect(() => {
		const look = () => void get<ProofStatus>('/api/audit/proof').then(setStatus, () => undefined);
		look();
		const timer = setInterval(look, LOOK_EVERY_MS);
		return () => clearInterval(timer);
	}, []);
	const verify = async () => {
		setWork({ isVerifying: true });
		try {
			await get<VerifyReport>('/api/audit/verify');
			setStatus(await get<ProofStatus>('/api/audit/proof'));
			setWork({ isVerifying: false });
		} catch (error) {
			setWork({ isVerifying: false, problem: (error as Error).message });
		}
	};
	return (
		<div className={classes['chain']} aria-label="Chain" role="status">
			{status !== undefined && <Says status={status} />}
			{work.problem !== undefined && <span className={classes['bad']}>Not verified: {work.problem}.</span>}
			<span className={classes['hints']}>
				<kbd>j</kbd> <kbd>k</kbd> next, previous · <kbd>Enter</kbd> story · <kbd>Esc</kbd> back · <kbd>/</kbd> filter
			</span>
			<Button size="compact-xs" variant="subtle" loading={work.isVerifying} onClick={() => void verify()}>
				Verify now
			</Button>
		</div>
	);
}

function Says({ status: { verified, checkpoints } }: { readonly status: ProofStatus }) {
	const signed =
		checkpoints.problem !== undefined ? (
			<span className={classes['bad']}>
				Checkpoints reach the database only: <Visible text={checkpoints.problem} />.
			</span>
		) : null;
	if (verified === undefined) {
		return (
			<span className={classes['says']}>
				<ShieldIcon />
				<span>
					Not verified since this ToolGate started
					{checkpoints.lastMs === undefined ? (
						'.'
					) : (
						<>
							; last checkpoint signed <Moment ms={checkpoints.lastMs} />.
						</>
					)}{' '}
					{signed}
				</span>
			</span>
		);
	}
	const { isIntact, events, streams, problem, lastCheckpointMs, unsigned, atMs } = verified;
	if (!isIntact) {
		return (
			<span className={`${classes['says']} ${classes['bad']}`} role="alert">
				<WarningIcon />
				<span>
					<b>Chain broken</b>, verified <Moment ms={atMs} />: <Visible text={problem ?? 'no reason was given'} />
				</span>
			</span>
		);
	}
	return (
		<span className={classes['says']}>
			<span className={classes['good']}>
				<ShieldIcon />
			</span>
			<span>
				<b>Chain intact</b>: {events.toLocaleString()} events in {streams === 1 ? '1 stream' : `${streams} streams`}, verified{' '}
				<Moment ms={atMs} />
				{lastCheckpointMs === undefined ? (
					'; no checkpoint yet'
				) : (
					<>
						; last verified checkpoint <Moment ms={lastCheckpointMs} />
					</>
				)}
				{unsigned > 0 && `, ${unsigned.toLocaleString()} events after it`}. {signed}
			</span>
		</span>
	);
}
