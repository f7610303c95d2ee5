import { Command } from 'commander';
import { CommandFailure } from './command-failure.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime, safe, table } from './terminal.ts';

interface ToolView {
	readonly upstream: string;
	readonly name: string;
	readonly listedName: string;
	readonly digest: string;
	readonly isPinned: boolean;
	readonly isAcceptable: boolean;
	readonly quarantine?: string;
	readonly detail?: string;
	readonly changes: readonly { readonly pointer: string; readonly before?: unknown; readonly after?: unknown }[];
	readonly changedAtMs?: number;
	/** Present when the list was asked for a principal. */
	readonly isVisible?: boolean;
	/** Present when it was not, unless there are too many principals and tools. */
	readonly access?: readonly string[];
}

interface ToolsView {
	readonly tools: readonly ToolView[];
	readonly hints: readonly string[];
}

export function toolsCommand(): Command {
	const command = new Command('tools').description('what upstreams offer');
	command.addCommand(
		operatorCommand('list', 'every tool with its pin, its last change and who may see it; --as P: what P sees')
			.option('--as <principal>', 'what this principal sees')
			.action(async (options: CommonOptions & { as?: string }) => {
				const query = options.as === undefined ? '' : `?as=${encodeURIComponent(options.as)}`;
				const view = await connect(options).get<ToolsView>(`/api/tools${query}`);
				print(options, view, () =>
					[
						view.tools.length === 0 ? 'no upstream has offered a tool yet' : listing(view.tools),
						...view.hints.map((hint) => paint('yellow', hint)),
					].join('\n'),
				);
			}),
	);
	command.addCommand(
		operatorCommand('diff', 'where tools that are held or not pinned differ from what was accepted; exit code 1 when one is held')
			.argument('[upstream]')
			.argument('[tool]')
			.action(async (upstream: string | undefined, tool: string | undefined, options: CommonOptions) => {
				const { tools } = await connect(options).get<ToolsView>('/api/tools');
				const asked = tools.filter(
					(one) => (upstream === undefined || one.upstream === upstream) && (tool === undefined || one.name === tool),
				);
				if (tool !== undefined && asked.length === 0) throw new CommandFailure(1, `${upstream} has no tool ${safe(tool)}`);
				const unaccepted = asked.filter(({ quarantine, isPinned }) => quarantine !== undefined || !isPinned);
				print(options, unaccepted, () =>
					unaccepted.length === 0 ? 'every tool is as it was accepted' : unaccepted.map(difference).join('\n\n'),
				);
				if (unaccepted.some(({ quarantine }) => quarantine !== undefined)) process.exitCode = 1;
			}),
	);
	command.addCommand(
		operatorCommand('accept', 'pin a tool as it is now; with a digest only if that is what it is')
			.argument('<upstream>')
			.argument('<tool>')
			.argument('[digest]', 'as `tools diff` shows it')
			.action(async (upstream: string, tool: string, digest: string | undefined, options: CommonOptions) => {
				const path = `/api/tools/${encodeURIComponent(upstream)}/${encodeURIComponent(tool)}/accept`;
				const accepted = await connect(options).post<ToolView>(path, digest === undefined ? undefined : { digest });
				print(options, accepted, () => `${paint('green', 'pinned')}  ${accepted.upstream} ${safe(accepted.name)} ${accepted.digest}`);
			}),
	);
	return command;
}

function listing(tools: readonly ToolView[]): string {
	const isOfOne = tools[0]?.isVisible !== undefined;
	return table(
		['UPSTREAM', 'TOOL', 'PIN', 'CHANGED', isOfOne ? 'VISIBLE' : 'ACCESS'],
		tools.map((tool) => [
			tool.upstream,
			safe(tool.listedName),
			tool.quarantine !== undefined
				? paint('red', `quarantined: ${safe(tool.quarantine)}`)
				: tool.isPinned
					? paint('green', 'pinned')
					: paint('yellow', 'not pinned'),
			tool.changedAtMs === undefined ? '' : relativeTime(tool.changedAtMs),
			isOfOne
				? tool.isVisible
					? paint('green', 'yes')
					: 'no'
				: tool.access === undefined
					? '(too many to ask)'
					: tool.access.map(safe).join(', ') || paint('yellow', 'nobody'),
		]),
	);
}

/** What an operator needs to see before accepting, and the command that accepts just that. */
function difference({ upstream, name, quarantine, detail, changes, isAcceptable, digest, changedAtMs }: ToolView): string {
	const seen = changedAtMs === undefined ? '' : paint('dim', `  seen ${relativeTime(changedAtMs)}`);
	return [
		`${paint('bold', `${upstream} ${safe(name)}`)}  ${quarantine === undefined ? paint('yellow', 'not pinned') : paint('red', safe(quarantine))}${seen}`,
		...(detail === undefined || changes.length > 0 ? [] : [`  ${safe(detail)}`]),
		...changes.flatMap(({ pointer, before, after }) => [
			`  ${paint('dim', safe(pointer) || '/')}`,
			...(before === undefined ? [] : [paint('red', `  - ${shown(before)}`)]),
			...(after === undefined ? [] : [paint('green', `  + ${shown(after)}`)]),
		]),
		isAcceptable ? paint('dim', `  toolgate tools accept ${upstream} ${quoted(name)} ${digest}`) : "  it can't be accepted as it is",
	].join('\n');
}

const shown = (value: unknown): string => safe(typeof value === 'string' ? value : JSON.stringify(value));
const quoted = (text: string): string => (/^[\w.-]+$/.test(text) ? text : `'${safe(text).replaceAll("'", "'\\''")}'`);
