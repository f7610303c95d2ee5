import { randomUUID } from 'node:crypto';
import type { BudgetCharge, BudgetDemand, Capability, DecidedRequest, TrailEvent } from '../domain.ts';
import type { Conceal } from '../conceal.ts';
import { ToolGateError } from '../errors.ts';
import { column, eventRow, storable } from '../store/event-row.ts';
import { type Sql, type SqlRow, StoreUnavailable } from '../store/sql.ts';
import { charges, withoutWindow } from './charges.ts';

/** One budget in one window. */
export interface BudgetView {
	readonly key: string;
	readonly rule: string;
	readonly unit: string;
	readonly limit: number;
	/** Spent and reserved together. */
	readonly used: number;
	readonly spent: number;
	readonly reserved: number;
	/** The part of spent that no reservation covered. */
	readonly overrun: number;
	readonly windowEndMs: number;
}

/** What one window of a rule's budgets came to, those of all principals and other dimensions together. */
export interface WindowUse {
	readonly unit: string;
	readonly windowEndMs: number;
	/** How many of them were used. */
	readonly budgets: number;
	readonly used: number;
	readonly overrun: number;
	/** Of the most used one. */
	readonly mostUsed: number;
	/** Of each one. */
	readonly limit: number;
}

export interface Budgets {
	/** @throws {PolicyError} a demand can't be understood */
	charges(demands: readonly BudgetDemand[], call: DecidedRequest, tool: Capability): BudgetCharge[];
	/** Windows that are open now, the most used first. @param text in the key: rule, unit, whom it counts; upper and lower case alike */
	list(text?: string): Promise<BudgetView[]>;
	show(key: string): Promise<BudgetView | undefined>;
	/** Use over time of a rule, or of the one budget that has `key` in one of its windows; the newest windows, oldest first. */
	history(rule: string, options: { readonly key?: string; readonly limit: number }): Promise<WindowUse[]>;
	/** Forgets what was spent; reservations of calls under way stay. Recorded with who did it. @throws {ToolGateError} NOT_FOUND, CONFLICT */
	reset(key: string, by: string, reason?: string): Promise<BudgetView>;
	/** Forgets windows that ended long ago; returns how many. Runs by itself too. */
	prune(): Promise<number>;
	close(): void;
}

export interface BudgetsOptions {
	readonly sql: Sql;
	/** Of this process, for the record of resets. */
	readonly stream: string;
	/** A budget's key may hold what an agent said. */
	readonly conceal: Conceal;
	readonly onFault: (error: unknown) => void;
}

interface BudgetRow extends SqlRow {
	key: string;
	rule: string;
	unit: string;
	ceiling: number;
	spent: number;
	reserved: number;
	overrun: number;
	window_ends_at: number;
}

interface WindowRow extends SqlRow {
	unit: string;
	window_ends_at: number;
	budgets: number;
	used: number;
	overrun: number;
	most_used: number;
	ceiling: number;
}

const COLUMNS = 'key, rule, unit, ceiling, spent, reserved, overrun, window_ends_at';
const MAX_LISTED = 500;
const MAX_ATTEMPTS = 10;
/** Ended windows are kept for a while, for whoever looks back. */
const KEPT_DAYS = 35;
const PRUNE_EVERY_MS = 3_600_000;

export function createBudgets({ sql, stream, conceal, onFault }: BudgetsOptions): Budgets {
	const budgets: Budgets = {
		charges: (demands, call, tool) =>
			demands.length === 0 ? [] : charges(demands, call, tool, sql.nowMs()).map((charge) => ({ ...charge, key: conceal.text(charge.key) })),

		async list(text = '') {
			const rows = await sql.query<BudgetRow>(
				`SELECT ${COLUMNS} FROM budgets WHERE window_ends_at > clock_timestamp() AND strpos(lower(key), lower($1)) > 0
				ORDER BY (spent + reserved)::float8 / greatest(ceiling, 1) DESC, key LIMIT ${MAX_LISTED}`,
				[storable(text)],
			);
			return rows.map(viewOf);
		},

		async show(key) {
			const [row] = await sql.query<BudgetRow>(`SELECT ${COLUMNS} FROM budgets WHERE key = $1`, [key]);
			return row && viewOf(row);
		},

		async history(rule, { key, limit }) {
			const rows = await sql.query<WindowRow>(
				`SELECT unit, window_ends_at, count(*) AS budgets, least(sum(spent + reserved), ${Number.MAX_SAFE_INTEGER})::bigint AS used,
					least(sum(overrun), ${Number.MAX_SAFE_INTEGER})::bigint AS overrun, max(spent + reserved) AS most_used, max(ceiling) AS ceiling
				FROM budgets WHERE rule = $1 AND starts_with(key, $2) GROUP BY unit, window_ends_at ORDER BY window_ends_at DESC, unit LIMIT $3`,
				[column(rule), key === undefined ? '' : withoutWindow(key), limit],
			);
			return rows
				.map((row) => ({
					unit: row.unit,
					windowEndMs: row.window_ends_at,
					budgets: row.budgets,
					used: row.used,
					overrun: row.overrun,
					mostUsed: row.most_used,
					limit: row.ceiling,
				}))
				.reverse();
		},

		async reset(key, by, reason) {
			for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
				const before = await budgets.show(key);
				if (before === undefined) throw new ToolGateError('NOT_FOUND', `no budget ${key.slice(0, 200)}`);
				const { rule, unit, limit, spent, overrun } = before;
				const event: TrailEvent = {
					version: 1,
					id: randomUUID(),
					kind: 'operator',
					timeMs: sql.nowMs(),
					principal: by,
					rule,
					message: `budget reset: ${spent} ${unit} forgotten${reason === undefined ? '' : `: ${reason}`}`,
					detail: { act: 'budget reset', by, key, unit, limit, spent, overrun, ...(reason === undefined ? {} : { reason }) },
				};
				// Conditional on what was read: the record says exactly what was forgotten.
				const reset = await sql.query(
					`WITH reset AS (UPDATE budgets SET spent = 0, overrun = 0 WHERE key = $3 AND spent = $4 RETURNING key)
					SELECT append_event($1, $2::jsonb) FROM reset`,
					[stream, JSON.stringify(eventRow(event, conceal)), key, spent],
				);
				if (reset.length > 0) return { ...before, used: before.reserved, spent: 0, overrun: 0 };
			}
			throw new ToolGateError('CONFLICT', 'the budget is used faster than it can be read; try again');
		},

		async prune() {
			const rows = await sql.query(
				`DELETE FROM budgets WHERE window_ends_at < clock_timestamp() - interval '${KEPT_DAYS} days' AND reserved = 0 RETURNING key`,
				[],
			);
			return rows.length;
		},

		close: () => clearInterval(timer),
	};
	const timer = setInterval(() => {
		budgets.prune().catch((error: unknown) => {
			// A store that is away is told where calls meet it.
			if (!(error instanceof StoreUnavailable)) onFault(error);
		});
	}, PRUNE_EVERY_MS).unref();
	return budgets;
}

function viewOf({ key, rule, unit, ceiling, spent, reserved, overrun, window_ends_at }: BudgetRow): BudgetView {
	return { key, rule, unit, limit: ceiling, used: spent + reserved, spent, reserved, overrun, windowEndMs: window_ends_at };
}
