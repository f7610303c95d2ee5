import { Badge, type MantineSize } from '@mantine/core';

const GREEN = ['allow', 'ok', 'approved', 'done', 'approve'];
const YELLOW = ['approvalRequired', 'pending', 'approval_pending', 'dispatched', 'replayed'];
const GREY = ['expired', 'withdrawn'];

/** A word of the trail. The word says it; the colour only helps. */
export function Word({ word, size = 'sm' }: { readonly word: string; readonly size?: MantineSize }) {
	const color = GREEN.includes(word) ? 'green' : YELLOW.includes(word) ? 'yellow' : GREY.includes(word) ? 'gray' : 'red';
	return (
		<Badge color={color} variant="light" size={size} radius="sm" tt="none" fw={600}>
			{word}
		</Badge>
	);
}
