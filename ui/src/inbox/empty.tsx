import { Code, Text } from '@mantine/core';
import { InboxIcon } from '../shell/icons.tsx';
import { Copyable } from '../text/copyable.tsx';
import classes from './inbox.module.css';

/** What stands where nothing does: what would be here, and what to do next. */

export function NothingHere({ view, isWide }: { readonly view: 'open' | 'decided'; readonly isWide: boolean }) {
	return (
		<div className={classes['nothing']}>
			{isWide ? (
				<Text size="sm" c="dimmed">
					{view === 'open' ? 'None is open.' : 'None yet.'}
				</Text>
			) : (
				<Hint view={view} />
			)}
		</div>
	);
}

export function NothingChosen({ view, isEmpty }: { readonly view: 'open' | 'decided'; readonly isEmpty: boolean }) {
	return (
		<div className={classes['nothingWide']}>
			{isEmpty ? (
				<>
					<InboxIcon size={36} />
					<Hint view={view} />
				</>
			) : (
				<Text size="sm" c="dimmed">
					Choose one on the left, or press <kbd>j</kbd>.
				</Text>
			)}
		</div>
	);
}

function Hint({ view }: { readonly view: 'open' | 'decided' }) {
	return (
		<>
			<Text fw={600}>{view === 'open' ? 'Nothing waits for a person' : 'Nothing was decided yet'}</Text>
			<Text size="sm" c="dimmed" maw={440}>
				{view === 'open' ? (
					<>
						A request appears here the moment a rule answers <Code>approvalRequired</Code>; this page need not be loaded again. To see one,
						let an agent ask for a refund: starting ToolGate prints the command.
					</>
				) : (
					'Whatever is approved, rejected, withdrawn or expired is kept here, with who, when and why.'
				)}
			</Text>
		</>
	);
}

export function NothingFound({ id }: { readonly id: string }) {
	return (
		<div className={classes['nothingWide']}>
			<Text fw={600}>No such approval</Text>
			<Copyable text={id} />
			<Text size="sm" c="dimmed" maw={440}>
				The address is wrong, or belongs to another ToolGate. What waits is under Open, what has ended under Decided.
			</Text>
		</div>
	);
}
