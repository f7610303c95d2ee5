import type { ApprovalView } from '../../approvals/approval.ts';
import type { Onlooker } from '../../approvals/changes.ts';
import type { ServerSentEvent } from '../server-sent-events.ts';

export interface LiveApprovalsDeps {
	readonly approvals: {
		list(filter: { isOpen: boolean }): Promise<ApprovalView[]>;
		watch(onlooker: Onlooker): () => void;
	};
	readonly nowMs: () => number;
}

/**
 * `snapshot`: every open approval and the time on the database's clock, at first and whenever something may have been missed; `changed`: one that
 * was opened or changed. A slow reader gets the newest state of each, and what waits for it is never more than there are approvals.
 */
export async function* liveApprovals<Seen>(
	{ approvals, nowMs }: LiveApprovalsDeps,
	see: (approval: ApprovalView) => Seen,
	signal: AbortSignal,
): AsyncGenerator<ServerSentEvent> {
	const changed = new Map<string, ApprovalView>();
	let isMissed = true;
	let wake = (): void => undefined;
	const unwatch = approvals.watch({
		changed(approval) {
			changed.set(approval.id, approval);
			wake();
		},
		missed() {
			isMissed = true;
			wake();
		},
	});
	signal.addEventListener('abort', () => wake());
	try {
		while (!signal.aborted) {
			if (isMissed) {
				isMissed = false;
				changed.clear();
				const open = await approvals.list({ isOpen: true });
				yield { event: 'snapshot', data: { nowMs: nowMs(), approvals: open.map(see) } };
			}
			for (const [id, approval] of changed) {
				if (isMissed) break;
				changed.delete(id);
				yield { event: 'changed', data: see(approval) };
			}
			if (changed.size === 0 && !isMissed && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
		}
	} finally {
		unwatch();
	}
}
