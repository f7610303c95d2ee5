import { Command } from 'commander';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime, safe, table } from './terminal.ts';

interface TokenView {
	readonly id: string;
	readonly name: string;
	readonly principal: string;
	readonly agent: string;
	readonly createdAtMs: number;
	readonly revokedAtMs?: number;
}

export function tokensCommand(): Command {
	const command = new Command('tokens').description('tokens of agents, for auth.mode: token');
	command.addCommand(
		operatorCommand('create', 'a token that speaks for a principal; shown once')
			.requiredOption('--principal <id>', 'whom its calls are for')
			.option('--agent <id>', 'which agent it is', 'default')
			.option('--name <name>', 'what you will know it by')
			.action(async (options: CommonOptions & { principal: string; agent: string; name?: string }) => {
				const { principal, agent, name = `${agent} for ${principal}` } = options;
				const made = await connect(options).post<TokenView & { token: string }>('/api/tokens', { principal, agent, name });
				print(
					options,
					made,
					() =>
						`${made.token}\n${paint('dim', `speaks for ${made.principal}; shown only now. Revoke it with: toolgate tokens revoke ${made.id}`)}`,
				);
			}),
	);
	command.addCommand(
		operatorCommand('list', 'every token, never its text').action(async (options: CommonOptions) => {
			const { tokens } = await connect(options).get<{ tokens: TokenView[] }>('/api/tokens');
			print(options, tokens, () =>
				tokens.length === 0
					? 'no tokens; make one with: toolgate tokens create --principal <id>'
					: table(
							['ID', 'NAME', 'PRINCIPAL', 'AGENT', 'CREATED', 'STATE'],
							tokens.map((token) => [
								token.id,
								safe(token.name),
								safe(token.principal),
								safe(token.agent),
								relativeTime(token.createdAtMs),
								token.revokedAtMs === undefined ? paint('green', 'valid') : paint('red', `revoked ${relativeTime(token.revokedAtMs)}`),
							]),
						),
			);
		}),
	);
	command.addCommand(
		operatorCommand('revoke', 'from now on it is refused')
			.argument('<id>')
			.action(async (id: string, options: CommonOptions) => {
				const token = await connect(options).delete<TokenView>(`/api/tokens/${encodeURIComponent(id)}`);
				print(options, token, () => `${paint('red', 'revoked')}  ${safe(token.name)}`);
			}),
	);
	return command;
}
