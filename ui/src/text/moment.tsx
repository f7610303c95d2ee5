import { Tooltip } from '@mantine/core';
import { useNow } from './clock.ts';
import { relative } from './times.ts';

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** A time as it stands to now; the exact one on hover or focus. */
export function Moment({ ms }: { readonly ms: number }) {
	const nowMs = useNow();
	const date = new Date(ms);
	return (
		<Tooltip label={exact.format(date)} events={{ hover: true, focus: true, touch: true }}>
			<time dateTime={date.toISOString()}>{relative(ms, nowMs)}</time>
		</Tooltip>
	);
}
