import { Command } from 'commander';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, safe, table } from './terminal.ts';

interface ToolView {
	readonly upstream: string;
	readonly name: string;
	readonly listedName: string;
	readonly isPinned: boolean;
	readonly quarantine?: string;
	/** Present when the list was asked for a principal. */
	readonly isVisible?: boolean;
}

export function toolsCommand(): Command {
	const command = new Command('tools').description('what upstreams offer');
	command.addCommand(
		operatorCommand('list', 'every tool with its pin; --as P: what P sees')
			.option('--as <principal>', 'what this principal sees')
			.action(async (options: CommonOptions & { as?: string }) => {
				const view = await connect(options).get<{ tools: ToolView[]; hints: string[] }>(`/api/tools${options.as === undefined ? '' : `?as=${encodeURIComponent(options.as)}`}`);
				print(options, view, () =>
					[
						view.tools.length === 0
							? 'no upstream has offered a tool yet'
							: table(
									['UPSTREAM', 'TOOL', 'PIN', ...(options.as === undefined ? [] : ['VISIBLE'])],
									view.tools.map((tool) => [
										tool.upstream,
										safe(tool.listedName),
										tool.quarantine !== undefined ? paint('red', `quarantined: ${safe(tool.quarantine)}`) : tool.isPinned ? paint('green', 'pinned') : paint('yellow', 'not pinned'),
										...(tool.isVisible === undefined ? [] : [tool.isVisible ? paint('green', 'yes') : 'no']),
									]),
								),
						...view.hints.map((hint) => paint('yellow', hint)),
					].join('\n'),
				);
			}),
	);
	command.addCommand(
		operatorCommand('accept', 'pin a tool as it is now')
			.argument('<upstream>')
			.argument('<tool>')
			.action(async (upstream: string, tool: string, options: CommonOptions) => {
				const accepted = await connect(options).post<ToolView>(`/api/tools/${encodeURIComponent(upstream)}/${encodeURIComponent(tool)}/accept`);
				print(options, accepted, () => `${paint('green', 'pinned')}  ${accepted.upstream} ${safe(accepted.name)}`);
			}),
	);
	return command;
}
