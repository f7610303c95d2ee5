import type { FastifyInstance } from 'fastify';
import type { ApprovalView, DecideRequest } from '../../approvals/approval.ts';
import { ToolGateError } from '../../errors.ts';
import { fields, optionalText, requiredFlag } from './fields.ts';

export interface ApprovalRoutesDeps {
	readonly approvals: {
		list(filter: { isOpen: boolean }): Promise<ApprovalView[]>;
		get(id: string): Promise<ApprovalView | undefined>;
		/** @throws {ToolGateError} NOT_FOUND, CONFLICT, FORBIDDEN_APPROVER */
		decide(request: DecideRequest): Promise<ApprovalView>;
		withdraw(id: string, by: string, reason?: string): Promise<ApprovalView>;
		resolve(id: string, by: string, hasRun: boolean): Promise<ApprovalView>;
	};
	/** Whom the operator token stands for. */
	readonly operator: { readonly id: string; readonly groups: readonly string[] };
}

interface ById {
	Params: { id: string };
}

export function approvalRoutes(api: FastifyInstance, { approvals, operator }: ApprovalRoutesDeps): void {
	api.get<{ Querystring: { state?: string } }>('/approvals', async (request) => ({
		approvals: await approvals.list({ isOpen: request.query.state !== 'all' }),
	}));

	api.get<ById>('/approvals/:id', async (request) => {
		const found = await approvals.get(request.params.id);
		if (found === undefined) throw new ToolGateError('NOT_FOUND', `no approval ${request.params.id}`);
		return found;
	});

	for (const decision of ['approve', 'reject'] as const) {
		api.post<ById>(`/approvals/:id/${decision}`, async (request) => {
			const body = fields(request.body, ['reason']);
			const reason = optionalText(body, 'reason');
			return approvals.decide({ id: request.params.id, approver: operator, decision, via: 'operator', ...(reason === undefined ? {} : { reason }) });
		});
	}

	api.post<ById>('/approvals/:id/withdraw', async (request) => {
		return approvals.withdraw(request.params.id, operator.id, optionalText(fields(request.body, ['reason']), 'reason'));
	});

	api.post<ById>('/approvals/:id/resolve', async (request) => {
		const body = fields(request.body, ['ran']);
		return approvals.resolve(request.params.id, operator.id, requiredFlag(body, 'ran'));
	});
}
