import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApprovalView, DecideRequest } from '../../approvals/approval.ts';
import type { Onlooker } from '../../approvals/changes.ts';
import { mayEnd, type Standing, standingOf } from '../../approvals/standing.ts';
import { ToolGateError } from '../../errors.ts';
import { sendEvents } from '../server-sent-events.ts';
import { type ApprovalContextDeps, contextOf } from './approval-context.ts';
import { liveApprovals } from './approval-stream.ts';
import { fields, optionalText, requiredFlag } from './fields.ts';

export interface ApprovalRoutesDeps extends ApprovalContextDeps {
	readonly approvals: {
		list(filter: { isOpen: boolean }): Promise<ApprovalView[]>;
		get(id: string): Promise<ApprovalView | undefined>;
		/** @throws {ToolGateError} NOT_FOUND, CONFLICT, FORBIDDEN_APPROVER */
		decide(request: DecideRequest): Promise<ApprovalView>;
		withdraw(id: string, by: string, reason?: string): Promise<ApprovalView>;
		resolve(id: string, by: string, hasRun: boolean): Promise<ApprovalView>;
		watch(onlooker: Onlooker): () => void;
	};
	/** On the database's clock. */
	readonly nowMs: () => number;
	/** The session of the person has not ended. */
	readonly isSignedIn: (session: string) => Promise<boolean>;
}

/** An approval as one person sees it. */
export type SeenApproval = ApprovalView & { readonly you: Standing };

interface ById {
	Params: { id: string };
}

export function approvalRoutes(api: FastifyInstance, deps: ApprovalRoutesDeps): void {
	const { approvals, nowMs, isSignedIn } = deps;
	const seenBy =
		({ person }: FastifyRequest) =>
		(approval: ApprovalView): SeenApproval => ({ ...approval, you: standingOf(approval, person, nowMs()) });
	const existing = async (id: string): Promise<ApprovalView> => (await approvals.get(id)) ?? missing(id);

	api.get<{ Querystring: { state?: string } }>('/approvals', async (request) => {
		const { state = 'open' } = request.query;
		if (!isAskedState(state)) throw new ToolGateError('BAD_INPUT', `state: expected one of ${ASKED_STATES.join(', ')}`);
		const found = await approvals.list({ isOpen: state !== 'all' });
		return { nowMs: nowMs(), approvals: found.filter((one) => state !== 'pending' || one.state === 'pending').map(seenBy(request)) };
	});

	api.get('/approvals/stream', async (request, reply) => {
		const { session } = request.person;
		const stop = new AbortController();
		await sendEvents(
			reply,
			liveApprovals({ approvals, nowMs }, seenBy(request), stop.signal),
			stop,
			async () => session === undefined || isSignedIn(session),
		);
	});

	api.get<ById>('/approvals/:id', async (request) => seenBy(request)(await existing(request.params.id)));

	api.get<ById>('/approvals/:id/context', async (request) => contextOf(await existing(request.params.id), deps));

	for (const decision of ['approve', 'reject'] as const) {
		api.post<ById>(`/approvals/:id/${decision}`, async (request) => {
			const reason = reasonOf(request);
			const { id, groups, via } = request.person;
			const wish = { id: request.params.id, approver: { id, groups }, decision, via, ...(reason === undefined ? {} : { reason }) };
			return seenBy(request)(await approvals.decide(wish));
		});
	}

	api.post<ById>('/approvals/:id/withdraw', async (request) => {
		const reason = reasonOf(request);
		await demandMayEnd(request);
		return seenBy(request)(await approvals.withdraw(request.params.id, request.person.id, reason));
	});

	api.post<ById>('/approvals/:id/resolve', async (request) => {
		const hasRun = requiredFlag(fields(request.body, ['ran']), 'ran');
		await demandMayEnd(request);
		return seenBy(request)(await approvals.resolve(request.params.id, request.person.id, hasRun));
	});

	/** An approval that nobody knows is refused by whoever is asked next, who records the attempt. */
	async function demandMayEnd({ params, person }: FastifyRequest<ById>): Promise<void> {
		const approval = await approvals.get(params.id);
		if (approval !== undefined && !mayEnd(approval, person)) {
			throw new ToolGateError('FORBIDDEN_APPROVER', `${person.id} is neither the operator nor among the approvers that the rule names`);
		}
	}
}

/** `open`: whatever has not ended; `pending`: what a person may still decide. */
const ASKED_STATES = ['open', 'pending', 'all'] as const;
const isAskedState = (word: string): word is (typeof ASKED_STATES)[number] => (ASKED_STATES as readonly string[]).includes(word);

const reasonOf = ({ body }: FastifyRequest): string | undefined => optionalText(fields(body, ['reason']), 'reason');

function missing(id: string): never {
	throw new ToolGateError('NOT_FOUND', `no approval ${id}`);
}
