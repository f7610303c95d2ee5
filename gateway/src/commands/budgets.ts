import { createHash } from 'node:crypto';
import { Command } from 'commander';
import type { BudgetView, WindowUse } from '../budgets/budgets.ts';
import { CommandFailure } from './command-failure.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime, safe, table } from './terminal.ts';

const SHOWN_WINDOWS = 20;
const BAR_CHARACTERS = 30;
/** What a person types for a budget: its key is long and full of quotes. */
const idOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 8);

export function budgetsCommand(): Command {
	const command = new Command('budgets').description('what is used of each limit');
	command.addCommand(
		operatorCommand('list', 'windows that are open now, the most used first').action(async (options: CommonOptions) => {
			const budgets = await list(options);
			print(
				options,
				budgets.map((budget) => ({ id: idOf(budget.key), ...budget })),
				() =>
					budgets.length === 0
						? 'no budget is in use'
						: table(
								['ID', 'RULE', 'USED', 'LIMIT', 'UNIT', 'RESETS', 'OF'],
								budgets.map((budget) => [
									idOf(budget.key),
									safe(budget.rule),
									used(budget),
									String(budget.limit),
									safe(budget.unit),
									relativeTime(budget.windowEndMs),
									safe(ownersOf(budget.key)),
								]),
							),
			);
		}),
	);
	command.addCommand(
		operatorCommand('show', 'one budget, and its use over time')
			.argument('<id>', 'as budgets list shows it, or the key')
			.action(async (id: string, options: CommonOptions) => {
				const budget = await find(id, options);
				const { windows } = await connect(options).get<{ windows: WindowUse[] }>(
					`/api/budgets/${encodeURIComponent(budget.rule)}/history?limit=${SHOWN_WINDOWS}&key=${encodeURIComponent(budget.key)}`,
				);
				print(options, { ...budget, windows }, () => [headline(budget), ...windows.map(bar)].join('\n'));
			}),
	);
	command.addCommand(
		operatorCommand('reset', 'forget what was spent in the window that is open; recorded')
			.argument('<id>', 'as budgets list shows it, or the key')
			.option('--reason <text>', 'why; it is recorded')
			.action(async (id: string, options: CommonOptions & { reason?: string }) => {
				const budget = await find(id, options);
				const reset = await connect(options).post<BudgetView>(
					`/api/budgets/${encodeURIComponent(budget.key)}/reset`,
					options.reason === undefined ? {} : { reason: options.reason },
				);
				print(
					options,
					reset,
					() =>
						`${paint('green', 'reset')}  ${safe(budget.rule)}: ${budget.spent} ${safe(budget.unit)} forgotten${reset.reserved > 0 ? `, ${reset.reserved} reserved by calls under way stay` : ''}`,
				);
			}),
	);
	return command;
}

async function list(options: CommonOptions): Promise<BudgetView[]> {
	return (await connect(options).get<{ budgets: BudgetView[] }>('/api/budgets')).budgets;
}

async function find(id: string, options: CommonOptions): Promise<BudgetView> {
	const found = (await list(options)).filter(({ key }) => key === id || idOf(key) === id);
	if (found.length === 1) return found[0]!;
	throw new CommandFailure(1, `no open budget ${id.slice(0, 100)}; toolgate budgets list shows them`);
}

function headline(budget: BudgetView): string {
	return `${safe(budget.rule)}  ${used(budget)} of ${budget.limit} ${safe(budget.unit)} used, ${budget.reserved} of it reserved; resets ${relativeTime(budget.windowEndMs)}  ${paint('dim', safe(budget.key))}`;
}

const used = ({ used: amount, limit, overrun }: Pick<BudgetView, 'used' | 'limit' | 'overrun'>): string =>
	paint(amount >= limit ? 'red' : amount * 2 >= limit ? 'yellow' : 'green', String(amount)) +
	(overrun > 0 ? ` (${overrun} over what was reserved)` : '');

function bar({ windowEndMs, mostUsed, limit }: WindowUse): string {
	const filled = Math.min(BAR_CHARACTERS, Math.round((mostUsed / Math.max(1, limit)) * BAR_CHARACTERS));
	return `  until ${new Date(windowEndMs).toISOString().slice(0, 16).replace('T', ' ')}  ${'█'.repeat(filled)}${'░'.repeat(BAR_CHARACTERS - filled)}  ${mostUsed} of ${limit}`;
}

/** Whom it counts: principal, tool and so on, without rule, unit and window. */
function ownersOf(key: string): string {
	try {
		const parts = JSON.parse(key) as string[];
		return parts.slice(2, -1).join(', ') || 'everyone';
	} catch {
		return key;
	}
}
