import { Alert } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Approval } from '../api/types.ts';
import { Moment } from '../text/moment.tsx';
import { Visible } from '../text/visible.tsx';

/** What became of a request that is not pending: who, when, why, and what follows. Nothing while it is pending. */
export function Outcome({ approval }: { readonly approval: Approval }) {
	const { state, decided } = approval;
	if (state === 'pending') return null;
	const by =
		decided?.by === undefined ? null : (
			<>
				{' '}
				by <Visible text={decided.by} />
			</>
		);
	const when =
		decided === undefined ? null : (
			<>
				{' '}
				<Moment ms={decided.atMs} />
			</>
		);
	const why =
		decided?.reason === undefined ? null : (
			<>
				: “<Visible text={decided.reason} />”
			</>
		);
	const [color, text] = sentenceOf(state, { by, when, why });
	return (
		<Alert color={color} variant="light" p="sm" role="status">
			{text}
		</Alert>
	);
}

interface Parts {
	readonly by: ReactNode;
	readonly when: ReactNode;
	readonly why: ReactNode;
}

function sentenceOf(state: Exclude<Approval['state'], 'pending'>, { by, when, why }: Parts): [color: string, text: ReactNode] {
	switch (state) {
		case 'approved':
			return [
				'green',
				<>
					Approved{by}
					{when}
					{why}. The call runs when its agent asks for it, once.
				</>,
			];
		case 'dispatched':
			return [
				'green',
				<>
					Approved{by}
					{when}
					{why}. The call is running.
				</>,
			];
		case 'done':
			return [
				'green',
				<>
					Approved{by}
					{when}
					{why}. The call has been answered.
				</>,
			];
		case 'rejected':
			return [
				'red',
				<>
					Rejected{by}
					{when}
					{why}. The agent was told.
				</>,
			];
		case 'withdrawn':
			return [
				'gray',
				<>
					Withdrawn{by}
					{when}
					{why}. Nothing was run.
				</>,
			];
		case 'expired':
			return ['gray', <>Expired{when}: nobody decided in time. Nothing was run.</>];
		case 'outcome_unknown':
			return [
				'red',
				<>
					Approved{by}
					{when}, and sent; but no answer came back, so the call <b>may have run</b>. Look at where it acts, and say what you found. Until
					then the same call is not run again.
				</>,
			];
	}
}
