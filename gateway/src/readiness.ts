import type { CapabilityStatus } from './capabilities/capabilities.ts';
import type { PartState } from './http/people.ts';
import type { Policy } from './policy/activation.ts';
import type { Store } from './store/sql.ts';

/** What `/readyz` and the terminal say of each part. */

/** What the store promises of what was recorded. */
export const storeSays = (store: Store): string =>
	store.driver === 'pg' ? 'PostgreSQL' : 'the embedded database: what is recorded survives the process dying, not a loss of power';

export function upstreamState(
	{ name, state, toolCount, itemCount, quarantinedCount, why }: CapabilityStatus,
	note: string | undefined,
): PartState {
	const offered = [
		`${toolCount} tools`,
		...(itemCount > 0 ? [`${itemCount} resources and prompts`] : []),
		...(quarantinedCount > 0 ? [`${quarantinedCount} quarantined`] : []),
	];
	const remarks = [why, note].filter((remark) => remark !== undefined);
	const says = `${state === 'up' ? '' : `${state}: `}${offered.join(', ')}${remarks.length === 0 ? '' : ` (${remarks.join('; ')})`}`;
	return { part: `upstream ${name}`, isVital: false, isReady: state === 'up' && note === undefined, says };
}

export function policyState(policy: Policy): PartState {
	const { active, problem } = policy.status();
	const why = problem === undefined ? '' : `refused: ${problem.why}`;
	if (active === undefined) return { part: 'policy', isVital: true, isReady: false, says: `no valid bundle, every call is denied; ${why}` };
	return {
		part: 'policy',
		isVital: true,
		isReady: true,
		says: `revision ${active.revision}${why === '' ? '' : `; the newer bundle was ${why}`}`,
	};
}
