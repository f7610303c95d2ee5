import type { Results } from './suite.ts';

/** How one check went directly and through the gateway. */
export interface Compared {
	readonly check: string;
	readonly direct: string;
	readonly through: string;
}

const NOT_TESTED = 'NOT TESTED';

/** Every check that either run has tested, sorted. */
export function compare(direct: Results, through: Results): Compared[] {
	const checks = [...new Set([...Object.keys(direct), ...Object.keys(through)])].sort();
	return checks
		.map((check) => ({ check, direct: verdict(direct[check]), through: verdict(through[check]) }))
		.filter(({ direct, through }) => direct !== NOT_TESTED || through !== NOT_TESTED);
}

export const isSame = ({ direct, through }: Compared): boolean => direct === through;

export const isPassed = (status: string): boolean => status.split(' ').every((one) => one === 'SUCCESS');

/** What a suite only notes is no verdict. */
function verdict(statuses = ''): string {
	return (
		statuses
			.split(' ')
			.filter((one) => one !== '' && one !== 'INFO')
			.join(' ') || NOT_TESTED
	);
}
