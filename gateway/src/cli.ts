import { Command, CommanderError } from 'commander';
import { approvalsCommand } from './commands/approvals.ts';
import { auditCommand } from './commands/audit.ts';
import { bundleCommand } from './commands/bundle.ts';
import { budgetsCommand } from './commands/budgets.ts';
import { CommandFailure } from './commands/command-failure.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { initCommand } from './commands/init.ts';
import { policyCommand } from './commands/policy.ts';
import { serveCommand } from './commands/serve.ts';
import { signInCommand } from './commands/sign-in.ts';
import { tokensCommand } from './commands/tokens.ts';
import { toolsCommand } from './commands/tools.ts';
import { ToolGateError } from './errors.ts';
import { version } from './version.ts';

const program = new Command('toolgate')
	.description('A policy gateway between AI agents and MCP servers')
	.version(version, '-v, --version', 'the version')
	.addHelpText('after', '\nExit codes: 0 done, 1 the answer is no, 2 usage or environment.')
	.showHelpAfterError('(toolgate --help lists the commands)')
	.exitOverride();

for (const command of [
	serveCommand,
	demoCommand,
	initCommand,
	signInCommand,
	configCommand,
	policyCommand,
	bundleCommand,
	toolsCommand,
	tokensCommand,
	approvalsCommand,
	budgetsCommand,
	auditCommand,
]) {
	program.addCommand(command());
}
// Sub-commands report usage errors the same way.
const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
for (const command of all(program)) command.exitOverride();

try {
	await program.parseAsync();
} catch (error) {
	if (error instanceof CommanderError) {
		process.exitCode = error.exitCode === 0 ? 0 : 2;
	} else if (error instanceof CommandFailure || error instanceof ToolGateError) {
		console.error(`toolgate: ${error.message}`);
		process.exitCode = error instanceof CommandFailure ? error.exitCode : 2;
	} else {
		console.error(`toolgate: unexpected: ${error instanceof Error ? error.message : String(error)}`);
		process.exitCode = 2;
	}
}
