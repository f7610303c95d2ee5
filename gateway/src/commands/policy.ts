import { Command } from 'commander';
import type { PolicyStatus } from '../policy/activation.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { authoringCommands } from './policy-authoring.ts';
import { paint, relativeTime, safe } from './terminal.ts';

export function policyCommand(): Command {
	const command = new Command('policy').description('the policy in force');
	for (const authoring of authoringCommands()) command.addCommand(authoring);
	const show = (status: PolicyStatus): string =>
		[
			status.active === undefined
				? `${paint('red', 'none')}  every call is denied`
				: `${paint('green', 'active')}  revision ${status.active.revision}, since ${relativeTime(status.active.activatedAtMs)}, from ${status.source}`,
			...(status.problem === undefined ? [] : [`${paint('red', 'refused')}  ${relativeTime(status.problem.atMs)}: ${safe(status.problem.why)}`]),
		].join('\n');
	command.addCommand(
		operatorCommand('status', 'the active bundle, and why the last one was refused').action(async (options: CommonOptions) => {
			const status = await connect(options).get<PolicyStatus>('/api/policy');
			print(options, status, () => show(status));
			if (status.active === undefined || status.problem !== undefined) process.exitCode = 1;
		}),
	);
	command.addCommand(
		operatorCommand('reload', 'read the bundle again now').action(async (options: CommonOptions) => {
			const status = await connect(options).post<PolicyStatus>('/api/policy/reload');
			print(options, status, () => show(status));
			if (status.problem !== undefined) process.exitCode = 1;
		}),
	);
	return command;
}
