import { Command } from 'commander';
import type { ApprovalView } from '../approvals/approval.ts';
import { connect, operatorCommand, print, type CommonOptions } from './operator-command.ts';
import { paintWord, paint, relativeTime, safe, table } from './terminal.ts';

const enc = encodeURIComponent;

function line(approval: ApprovalView): string {
	const rules = approval.reasons.map((reason) => safe(reason.message)).join('; ');
	return [
		`${paint('bold', `${safe(approval.server)} ${safe(approval.tool)}`)}  ${safe(JSON.stringify(approval.arguments))}`,
		`  ${approval.id}  ${paintWord(approval.state)}  for ${safe(approval.principal)} by ${safe(approval.agent)}, asked ${relativeTime(approval.requestedAtMs)}, expires ${relativeTime(approval.expiresAtMs)}`,
		...(rules === '' ? [] : [`  ${paint('dim', rules)}`]),
	].join('\n');
}

export function approvalsCommand(): Command {
	const command = new Command('approvals').description('what waits for a person');

	command.addCommand(
		operatorCommand('list', 'open approvals; --all for ended ones too')
			.option('--all', 'ended ones too')
			.action(async (options: CommonOptions & { all?: boolean }) => {
				const { approvals } = await connect(options).get<{ approvals: ApprovalView[] }>(`/api/approvals${options.all ? '?state=all' : ''}`);
				print(options, approvals, () =>
					approvals.length === 0
						? 'nothing waits for a person'
						: `${approvals.map(line).join('\n\n')}\n\n${paint('dim', 'decide: toolgate approvals approve <id> | reject <id> --reason "…"')}`,
				);
			}),
	);
	command.addCommand(
		operatorCommand('show', 'one approval, whole')
			.argument('<id>')
			.action(async (id: string, options: CommonOptions) => {
				const approval = await connect(options).get<ApprovalView>(`/api/approvals/${enc(id)}`);
				print(options, approval, () =>
					[
						line(approval),
						...approval.votes.map(
							(vote) =>
								`  ${paintWord(vote.decision)} by ${safe(vote.approver)} ${relativeTime(vote.atMs)}${vote.reason === undefined ? '' : `: ${safe(vote.reason)}`}`,
						),
						table(
							['RULE', 'APPROVERS', 'QUORUM'],
							approval.requirements.map((needed) => [needed.rule, needed.approvers.join(', '), String(needed.quorum)]),
						),
					].join('\n'),
				);
			}),
	);

	const decide = (name: 'approve' | 'reject' | 'withdraw', description: string) =>
		operatorCommand(name, description)
			.argument('<id>', 'as toolgate approvals list shows it')
			.option('--reason <text>', 'the agent reads it')
			.action(async (id: string, options: CommonOptions & { reason?: string }) => {
				const approval = await connect(options).post<ApprovalView>(
					`/api/approvals/${enc(id)}/${name}`,
					options.reason === undefined ? {} : { reason: options.reason },
				);
				print(options, approval, () => `${paintWord(approval.state)}  ${safe(approval.tool)} for ${safe(approval.principal)}`);
			});
	command.addCommand(decide('approve', 'agree to exactly this call, once'));
	command.addCommand(decide('reject', 'refuse it'));
	command.addCommand(decide('withdraw', 'take the request back'));

	command.addCommand(
		operatorCommand('resolve', 'say what became of a call whose outcome is unknown')
			.argument('<id>')
			.option('--ran', 'it ran')
			.option('--did-not-run', 'it did not run')
			.action(async (id: string, options: CommonOptions & { ran?: boolean; didNotRun?: boolean }, self: Command) => {
				if (options.ran === options.didNotRun) self.error('say either --ran or --did-not-run');
				const approval = await connect(options).post<ApprovalView>(`/api/approvals/${enc(id)}/resolve`, { ran: options.ran === true });
				print(options, approval, () => `${paintWord(approval.state)}  ${safe(approval.tool)} for ${safe(approval.principal)}`);
			}),
	);
	return command;
}
