import { CopyButton, UnstyledButton } from '@mantine/core';
import classes from './text.module.css';
import { Visible } from './visible.tsx';

/** An id on one line, cut where there is no room; whole in the clipboard. */
export function Copyable({ text }: { readonly text: string }) {
	return (
		<CopyButton value={text} timeout={1500}>
			{({ copied, copy }) => (
				<UnstyledButton className={classes['copyable']} onClick={copy} title={`${text}\nClick to copy`} aria-label={`copy ${text}`}>
					<Visible text={text} />
					<span className={classes['copied']} aria-live="polite">
						{copied ? 'copied' : 'copy'}
					</span>
				</UnstyledButton>
			)}
		</CopyButton>
	);
}
