import { Command, CommanderError } from 'commander';
import t from 'tap';
import { ToolGateError } from '../errors.ts';
import { bundleCommand } from './bundle.ts';
import { CommandFailure } from './command-failure.ts';
import { initCommand } from './init.ts';
import { policyCommand } from './policy.ts';

export interface End {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** For tests: runs `toolgate …` in this process, as `cli.ts` does, which is ten times cheaper than a process of its own. One at a time. */
export async function run(...args: string[]): Promise<End> {
	const program = new Command();
	for (const command of [initCommand, policyCommand, bundleCommand]) program.addCommand(command());
	const said = { stdout: [] as string[], stderr: [] as string[] };
	const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
	const out = {
		writeOut: (text: string) => said.stdout.push(text.trimEnd()),
		writeErr: (text: string) => said.stderr.push(text.trimEnd()),
	};
	for (const command of all(program)) command.exitOverride().configureOutput(out);
	const restore = [
		t.intercept(console, 'log', { value: (line: string) => said.stdout.push(line) }),
		t.intercept(console, 'error', { value: (line: string) => said.stderr.push(line) }),
	];
	let code = 0;
	try {
		await program.parseAsync(args, { from: 'user' });
		code = Number(process.exitCode ?? 0);
	} catch (error) {
		if (error instanceof CommanderError) code = error.exitCode === 0 ? 0 : 2;
		else if (error instanceof CommandFailure || error instanceof ToolGateError) {
			said.stderr.push(`toolgate: ${error.message}`);
			code = error instanceof CommandFailure ? error.exitCode : 2;
		} else throw error;
	} finally {
		process.exitCode = undefined;
		for (const each of restore) each.restore();
	}
	return { code, stdout: said.stdout.join('\n'), stderr: said.stderr.join('\n') };
}
