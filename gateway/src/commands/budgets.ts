import { Command } from 'commander';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { relativeTime, safe, table } from './terminal.ts';

interface BudgetView {
	readonly key: string;
	readonly rule: string;
	readonly unit: string;
	readonly limit: number;
	readonly used: number;
	readonly windowEndMs: number;
}

export function budgetsCommand(): Command {
	const command = new Command('budgets').description('what is used of each limit');
	command.addCommand(
		operatorCommand('list', 'windows that are open now').action(async (options: CommonOptions) => {
			const { budgets } = await connect(options).get<{ budgets: BudgetView[] }>('/api/budgets');
			print(options, budgets, () =>
				budgets.length === 0
					? 'no budget is in use'
					: table(
							['RULE', 'USED', 'LIMIT', 'UNIT', 'RESETS', 'KEY'],
							budgets.map((budget) => [budget.rule, String(budget.used), String(budget.limit), budget.unit, relativeTime(budget.windowEndMs), safe(budget.key)]),
						),
			);
		}),
	);
	return command;
}
