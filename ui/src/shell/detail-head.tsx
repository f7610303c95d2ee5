import { ActionIcon, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './detail-head.module.css';
import { BackIcon, CloseIcon } from './icons.tsx';
import { navigate } from './location.ts';

interface HeadProps {
	/** Where the list is, without anything chosen. */
	readonly backTo: string;
	/** The list stands beside it; else this is a view of its own. */
	readonly isBeside: boolean;
	readonly children: ReactNode;
}

/** The title of what is chosen in a list, and the way back to the list. */
export function DetailHead({ backTo, isBeside, children }: HeadProps) {
	return (
		<header className={classes['head']}>
			{!isBeside && (
				<ActionIcon variant="subtle" color="gray" onClick={() => navigate(backTo)} aria-label="back to the list">
					<BackIcon />
				</ActionIcon>
			)}
			<Title order={1} size="h4" className={classes['title']}>
				{children}
			</Title>
			{isBeside && (
				<ActionIcon variant="subtle" color="gray" onClick={() => navigate(backTo)} aria-label="close" title="Close   Esc">
					<CloseIcon />
				</ActionIcon>
			)}
		</header>
	);
}
