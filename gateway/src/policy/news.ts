import type { TrailEvent } from '../domain.ts';
import type { PolicyChange, PolicyStatus } from './activation.ts';

/** What operators read when the policy has changed, or has not. One sentence. */
export function policyNews({ active, problem }: PolicyStatus, change: PolicyChange): string {
	switch (change) {
		case 'activated':
			return `policy ${short(active!.revision)} is active, version ${active!.version}`;
		case 'rolledBack':
			return `policy was rolled back to ${short(active!.revision)}, version ${active!.version}`;
		case 'refused':
			return `policy bundle refused, ${active === undefined ? 'every call is denied' : 'the last good one stays'}: ${problem!.why}`;
	}
}

/** The same for the audit trail. */
export function activationEvent(
	{ active, rolledBack, problem, source, labels }: PolicyStatus,
	change: PolicyChange,
): Omit<TrailEvent, 'version' | 'id' | 'timeMs'> {
	const from = { source, ...(labels === undefined ? {} : { labels: { ...labels } }) };
	const revision = active === undefined ? {} : { revision: active.revision };
	if (change === 'refused') return { kind: 'activation', ...revision, message: `bundle refused: ${problem!.why}`, detail: from };
	const { digest, version, signature } = active!;
	return {
		kind: 'activation',
		...revision,
		message: change === 'activated' ? 'bundle activated' : `rolled back from revision ${rolledBack!.revision}`,
		detail: { ...from, digest, bundleVersion: version, ...(signature === undefined ? {} : { signedBy: signature.keyid }) },
	};
}

const short = (revision: string): string => revision.slice(0, 19);
