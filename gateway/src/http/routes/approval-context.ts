import type { ApprovalView } from '../../approvals/approval.ts';
import { traceWords } from '../../audit/lines.ts';
import type { EventPage, TrailFilter } from '../../audit/trail.ts';
import type { DefinitionHistory } from '../../capabilities/definition-history.ts';

export interface ApprovalContextDeps {
	readonly trail: {
		/** Newest first. */
		search(filter: TrailFilter, page: { limit: number; cursor?: string }): Promise<EventPage>;
	};
	readonly definitionOf: (upstream: string, tool: string, digest: string) => Promise<DefinitionHistory>;
}

/** What else a person should know before deciding. */
export interface ApprovalContext {
	/** Other calls of this agent for this principal, in the same session where there is one, newest first. */
	readonly calls: readonly EarlierCall[];
	readonly isOneSession: boolean;
	readonly definition: DefinitionHistory;
}

export interface EarlierCall {
	readonly callId: string;
	readonly server?: string;
	readonly tool: string;
	readonly atMs: number;
	/** As the trail shows it: `approvalRequired → approved → ok`. */
	readonly words: readonly string[];
}

const MAX_EVENTS = 200;
const MAX_CALLS = 12;

export async function contextOf(approval: ApprovalView, { trail, definitionOf }: ApprovalContextDeps): Promise<ApprovalContext> {
	const { principal, agent, session, server, tool, definitionDigest } = approval;
	const [{ events }, definition] = await Promise.all([
		trail.search({ principal, agent, ...(session === undefined ? {} : { session }) }, { limit: MAX_EVENTS }),
		definitionOf(server, tool, definitionDigest),
	]);
	const byCall = Map.groupBy(events.toReversed(), ({ callId }) => callId);
	const calls = [...byCall].flatMap(([callId, of]): EarlierCall[] => {
		const named = of.find((event) => event.tool !== undefined);
		// The same call again, which waits for the same approval, is nothing else.
		if (callId === undefined || named?.tool === undefined || of.some(({ approvalId }) => approvalId === approval.id)) return [];
		return [
			{
				callId,
				...(named.server === undefined ? {} : { server: named.server }),
				tool: named.tool,
				atMs: of[0]!.timeMs,
				words: traceWords(of),
			},
		];
	});
	return { calls: calls.toReversed().slice(0, MAX_CALLS), isOneSession: session !== undefined, definition };
}
