import { randomUUID } from 'node:crypto';
import type { ApprovalWord, JsonObject, TrailEvent } from '../domain.ts';
import type { ApprovalView } from './approval.ts';

interface Told {
	/** The transition; absent where the approval stays as it is. */
	readonly outcome?: ApprovalWord;
	readonly message?: string;
	readonly detail: JsonObject;
}

/** An event about an approval, joined to the call that asked first. */
export function approvalEvent(approval: ApprovalView, timeMs: number, told: Told): TrailEvent {
	const { session, turn, requirements, revision } = approval;
	const rule = requirements[0]?.rule;
	return {
		version: 1,
		id: randomUUID(),
		kind: 'approval',
		timeMs,
		callId: approval.callId,
		decisionId: approval.decisionId,
		approvalId: approval.id,
		principal: approval.principal,
		agent: approval.agent,
		...(session === undefined ? {} : { session }),
		...(turn === undefined ? {} : { turn }),
		server: approval.server,
		tool: approval.tool,
		...(rule === undefined ? {} : { rule }),
		...(revision === '' ? {} : { revision }),
		...told,
	};
}

/** An attempt at an approval that nobody knows. */
export function strayEvent(id: string, timeMs: number, detail: JsonObject): TrailEvent {
	return { version: 1, id: randomUUID(), kind: 'approval', timeMs, approvalId: id, detail };
}
