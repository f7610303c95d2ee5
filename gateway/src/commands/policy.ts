import { Command } from 'commander';
import type { PolicyStatus } from '../policy/activation.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { authoringCommands } from './policy-authoring.ts';
import { decisionCommands } from './policy-decision.ts';
import { paint, relativeTime, safe } from './terminal.ts';

export function policyCommand(): Command {
	const command = new Command('policy').description('the policy in force');
	for (const each of [...authoringCommands(), ...decisionCommands()]) command.addCommand(each);
	command.addCommand(
		operatorCommand('status', 'the active bundle and the one before, and why the last one was refused').action(
			async (options: CommonOptions) => {
				const status = await connect(options).get<PolicyStatus>('/api/policy');
				print(options, status, () => show(status));
				if (status.active === undefined || status.problem !== undefined) process.exitCode = 1;
			},
		),
	);
	command.addCommand(
		operatorCommand('reload', 'read the bundle again now')
			.option('--force', 'also take one that is older, or was rolled back')
			.action(async ({ force = false, ...options }: CommonOptions & { force?: boolean }) => {
				const status = await connect(options).post<PolicyStatus>('/api/policy/reload', { force });
				print(options, status, () => show(status));
				if (status.problem !== undefined) process.exitCode = 1;
			}),
	);
	command.addCommand(
		operatorCommand('rollback', 'one revision back; it stays until a newer version than the present one comes').action(
			async (options: CommonOptions) => {
				const status = await connect(options).post<PolicyStatus>('/api/policy/rollback');
				print(options, status, () => show(status));
			},
		),
	);
	return command;
}

function show({ active, previous, rolledBack, problem, source }: PolicyStatus): string {
	const bundle = ({ revision, version }: { revision: string; version: number }) => `revision ${safe(revision)}, version ${version}`;
	const lines = [
		active === undefined
			? `${paint('red', 'none')}  every call is denied; bundles come from ${safe(source)}`
			: `${paint('green', 'active')}  ${bundle(active)}, taken over ${relativeTime(active.activatedAtMs)}, from ${safe(source)}${active.signature === undefined ? '' : `, signed by ${safe(active.signature.keyid)}`}`,
	];
	if (rolledBack !== undefined) lines.push(`${paint('yellow', 'rolled back')}  from ${bundle(rolledBack)}, until a newer version comes`);
	if (previous !== undefined) lines.push(`${paint('dim', 'before')}  ${bundle(previous)}: toolgate policy rollback goes back to it`);
	if (problem !== undefined) lines.push(`${paint('red', 'refused')}  ${relativeTime(problem.atMs)}: ${safe(problem.why)}`);
	return lines.join('\n');
}
