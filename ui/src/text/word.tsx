import { Badge, type MantineSize } from '@mantine/core';

const GREEN = ['allow', 'ok', 'approved', 'done', 'approve'];
const YELLOW = ['approvalRequired', 'pending', 'approval_pending', 'dispatched', 'replayed'];
const GREY = ['expired', 'withdrawn', 'activation', 'operator', 'approval'];

/** Text on the light grounds of the badges, dark enough to be read when small. */
const INK = { green: '#17542a', yellow: '#704400', gray: '#3d454d', red: '#9c1616' } as const;

/** A word of the trail. The word says it; the colour only helps. */
export function Word({ word, size = 'sm' }: { readonly word: string; readonly size?: MantineSize }) {
	const color = GREEN.includes(word) ? 'green' : YELLOW.includes(word) ? 'yellow' : GREY.includes(word) ? 'gray' : 'red';
	return (
		<Badge
			color={color}
			variant="light"
			size={size}
			radius="sm"
			tt="none"
			fw={600}
			c={`light-dark(${INK[color]}, var(--mantine-color-${color}-1))`}
		>
			{word}
		</Badge>
	);
}
