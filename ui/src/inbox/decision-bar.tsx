import { ActionIcon, Alert, Button, Menu, Textarea } from '@mantine/core';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { Approval, Session } from '../api/types.ts';
import { MoreIcon } from '../shell/icons.tsx';
import { type Act, perform } from './approvals.ts';
import classes from './detail.module.css';
import { useKeys } from '../shell/keys.ts';

/** The buttons, always in sight. Their row is there before and after, so that nothing moves when a decision falls. */
export function DecisionBar({ approval, session }: { readonly approval: Approval; readonly session: Session }) {
	const { id, state, you } = approval;
	const [doing, setDoing] = useState<string>();
	const [problem, setProblem] = useState<string>();
	const [asks, setAsks] = useState<'reject' | 'withdraw'>();
	useEffect(() => setAsks(undefined), [state]);

	const act = async (name: string, wish: Act): Promise<void> => {
		if (doing !== undefined) return;
		setDoing(name);
		setProblem(undefined);
		try {
			await perform(id, wish);
			setAsks(undefined);
		} catch (error) {
			setProblem((error as Error).message);
		} finally {
			setDoing(undefined);
		}
	};
	const approve = () => act('approve', { act: 'approve' });
	useKeys({
		a: () => you.mayApprove && asks === undefined && void approve(),
		r: () => you.mayReject && setAsks('reject'),
	});

	return (
		<footer className={classes['bar']}>
			{problem !== undefined && (
				<Alert color="red" variant="light" py={6} role="alert" withCloseButton onClose={() => setProblem(undefined)}>
					{problem}
				</Alert>
			)}
			{asks !== undefined && (
				<Reason
					key={asks}
					act={asks}
					isDoing={doing !== undefined}
					onCancel={() => setAsks(undefined)}
					onSay={(reason) => void act(asks, { act: asks, ...(reason === '' ? {} : { reason }) })}
				/>
			)}
			{asks === undefined && state === 'pending' && (
				<div className={classes['buttons']}>
					<Button size="md" disabled={!you.mayApprove} loading={doing === 'approve'} onClick={() => void approve()}>
						Approve once
					</Button>
					<Button size="md" color="red" variant="light" disabled={!you.mayReject || doing !== undefined} onClick={() => setAsks('reject')}>
						Reject…
					</Button>
					{you.whyNot !== undefined && (
						<span className={classes['whyNot']}>
							You can't approve it as {session.person.id}: {you.whyNot}.
						</span>
					)}
					{you.mayEnd && <More onWithdraw={() => setAsks('withdraw')} />}
				</div>
			)}
			{['done', 'rejected', 'expired', 'withdrawn', 'dispatched'].includes(state) && (
				<span className={classes['dim']}>Nothing is left to decide here.</span>
			)}
			{asks === undefined && state === 'approved' && you.mayEnd && (
				<div className={classes['buttons']}>
					<Button size="sm" fw={500} variant="default" onClick={() => setAsks('withdraw')}>
						Withdraw…
					</Button>
				</div>
			)}
			{state === 'outcome_unknown' && (
				<div className={classes['buttons']}>
					<Button size="md" disabled={!you.mayEnd} loading={doing === 'ran'} onClick={() => void act('ran', { act: 'resolve', ran: true })}>
						It ran
					</Button>
					<Button
						size="md"
						variant="light"
						color="red"
						disabled={!you.mayEnd}
						loading={doing === 'did not run'}
						onClick={() => void act('did not run', { act: 'resolve', ran: false })}
					>
						It did not run
					</Button>
					{!you.mayEnd && <span className={classes['whyNot']}>An approver or the operator has to say it.</span>}
				</div>
			)}
		</footer>
	);
}

const More = ({ onWithdraw }: { readonly onWithdraw: () => void }) => (
	<Menu position="top-end" transitionProps={{ duration: 0 }} returnFocus>
		<Menu.Target>
			<ActionIcon variant="subtle" color="gray" size="xl" className={classes['more']} aria-label="more">
				<MoreIcon />
			</ActionIcon>
		</Menu.Target>
		<Menu.Dropdown>
			<Menu.Item onClick={onWithdraw}>Withdraw the request…</Menu.Item>
		</Menu.Dropdown>
	</Menu>
);

interface ReasonProps {
	readonly act: 'reject' | 'withdraw';
	readonly isDoing: boolean;
	readonly onCancel: () => void;
	readonly onSay: (reason: string) => void;
}

const MAX_REASON_CHARACTERS = 1000;

function Reason({ act, isDoing, onCancel, onSay }: ReasonProps) {
	const [reason, setReason] = useState('');
	const field = useRef<HTMLTextAreaElement>(null);
	useEffect(() => field.current?.focus(), []);
	const press = (event: KeyboardEvent): void => {
		if (event.key === 'Escape') onCancel();
		if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
		event.preventDefault();
		onSay(reason.trim());
	};
	return (
		<div className={classes['reason']}>
			<Textarea
				ref={field}
				label={act === 'reject' ? 'Why not?' : 'Why is it withdrawn?'}
				description="The agent reads it, and so will whoever looks this up. Enter sends it."
				autosize
				minRows={1}
				maxRows={4}
				maxLength={MAX_REASON_CHARACTERS}
				value={reason}
				onChange={(event) => setReason(event.currentTarget.value)}
				onKeyDown={press}
			/>
			<div className={classes['buttons']}>
				<Button size="md" color="red" loading={isDoing} onClick={() => onSay(reason.trim())}>
					{act === 'reject' ? 'Reject' : 'Withdraw'}
				</Button>
				<Button size="md" variant="subtle" color="gray" disabled={isDoing} onClick={onCancel}>
					Cancel
				</Button>
			</div>
		</div>
	);
}
