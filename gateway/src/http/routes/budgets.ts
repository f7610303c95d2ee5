import type { FastifyInstance } from 'fastify';
import type { BudgetView, WindowUse } from '../../budgets/budgets.ts';
import { ToolGateError } from '../../errors.ts';
import { countOf, type Query } from './audit.ts';
import { fields, optionalText } from './fields.ts';

export interface BudgetRoutesDeps {
	readonly budgets: {
		list(text?: string): Promise<BudgetView[]>;
		show(key: string): Promise<BudgetView | undefined>;
		history(rule: string, options: { key?: string; limit: number }): Promise<WindowUse[]>;
		/** @throws {ToolGateError} NOT_FOUND, CONFLICT */
		reset(key: string, by: string, reason?: string): Promise<BudgetView>;
	};
	/** On the database's clock. */
	readonly nowMs: () => number;
}

interface ByKey {
	Params: { key: string };
}

export function budgetRoutes(api: FastifyInstance, { budgets, nowMs }: BudgetRoutesDeps): void {
	api.get<{ Querystring: Query }>('/budgets', async ({ query }) => {
		const unknown = Object.keys(query).find((name) => name !== 'text');
		if (unknown !== undefined) throw new ToolGateError('BAD_INPUT', `${unknown}: unknown filter; expected text`);
		return { nowMs: nowMs(), budgets: await budgets.list(query['text']) };
	});

	api.get<ByKey>('/budgets/:key', async ({ params }) => {
		const found = await budgets.show(params.key);
		if (found === undefined) throw new ToolGateError('NOT_FOUND', `no budget ${params.key.slice(0, 200)}`);
		return found;
	});

	api.get<{ Params: { rule: string }; Querystring: Query }>('/budgets/:rule/history', async ({ params, query }) => {
		const unknown = Object.keys(query).find((name) => name !== 'key' && name !== 'limit');
		if (unknown !== undefined) throw new ToolGateError('BAD_INPUT', `${unknown}: unknown; expected key or limit`);
		const { key, limit } = query;
		return {
			windows: await budgets.history(params.rule, { limit: countOf('limit', limit, 100, 1000), ...(key === undefined ? {} : { key }) }),
		};
	});

	api.post<ByKey>('/budgets/:key/reset', async ({ params, body, person }) => {
		return budgets.reset(params.key, person.id, optionalText(fields(body, ['reason']), 'reason'));
	});
}
