import { Button, TextInput } from '@mantine/core';
import { type SubmitEvent, useState } from 'react';
import { post } from '../api/http.ts';
import type { Budget } from '../api/trail.ts';
import classes from './detail.module.css';

/** Forgets what was spent, after asking once for the reason; both are recorded. */
export function Reset({
	budget: { key, spent, reserved, unit },
	onReset,
}: {
	readonly budget: Budget;
	readonly onReset: () => Promise<void>;
}) {
	const [isAsking, setAsking] = useState(false);
	const [reason, setReason] = useState('');
	const [state, setState] = useState<{ readonly isSending: boolean; readonly says?: string; readonly isProblem?: boolean }>({
		isSending: false,
	});
	const reset = async (event: SubmitEvent) => {
		event.preventDefault();
		setState({ isSending: true });
		try {
			await post<Budget>(`/api/budgets/${encodeURIComponent(key)}/reset`, { reason: reason.trim() });
			await onReset();
			setState({ isSending: false, says: `Reset: ${spent.toLocaleString()} ${unit} forgotten, and recorded.` });
			setAsking(false);
			setReason('');
		} catch (error) {
			setState({ isSending: false, says: `Not reset: ${(error as Error).message}.`, isProblem: true });
		}
	};
	if (!isAsking) {
		return (
			<div className={classes['reset']}>
				<Button size="xs" variant="default" disabled={spent === 0} onClick={() => (setAsking(true), setState({ isSending: false }))}>
					Reset…
				</Button>
				<span role="status" className={classes['dim']}>
					{state.says ?? (spent === 0 ? 'Nothing was spent in this window.' : '')}
				</span>
			</div>
		);
	}
	return (
		<form className={classes['asking']} onSubmit={(event) => void reset(event)}>
			<p>
				{spent.toLocaleString()} {unit} are forgotten, and agents can spend them again in this window.
				{reserved > 0 && ` ${reserved.toLocaleString()} reserved by calls under way stay.`}
			</p>
			<TextInput
				size="xs"
				label="Why? It is recorded with your name."
				value={reason}
				onChange={({ currentTarget }) => setReason(currentTarget.value)}
				onKeyDown={({ key: pressed }) => pressed === 'Escape' && setAsking(false)}
				maxLength={1000}
				data-autofocus
				autoFocus
				required
			/>
			<div className={classes['reset']}>
				<Button size="xs" color="red" type="submit" loading={state.isSending} disabled={reason.trim() === ''}>
					Reset
				</Button>
				<Button size="xs" variant="default" onClick={() => setAsking(false)}>
					Cancel
				</Button>
				{state.isProblem === true && <span role="alert">{state.says}</span>}
			</div>
		</form>
	);
}
