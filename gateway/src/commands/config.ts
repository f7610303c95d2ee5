import { Command } from 'commander';
import { describeConfig, loadConfig } from '../config.ts';
import { paint, table } from './terminal.ts';

export function configCommand(): Command {
	const command = new Command('config').description('the configuration');
	command
		.command('check')
		.description('is it valid')
		.argument('[file]', 'default: toolgate.yaml')
		.action((file?: string) => {
			const loaded = loadConfig(file);
			console.log(`${paint('green', 'valid')}  ${loaded.file ?? 'no toolgate.yaml here: defaults and the environment'}`);
		});
	command
		.command('print')
		.description('the effective configuration, and where each value came from')
		.argument('[file]', 'default: toolgate.yaml')
		.option('--json', 'as JSON')
		.action((file: string | undefined, options: { json?: boolean }) => {
			const lines = describeConfig(loadConfig(file));
			if (options.json) console.log(JSON.stringify(lines, undefined, 2));
			else
				console.log(
					table(
						['KEY', 'FROM', 'VALUE'],
						lines.map(({ path, value, origin }) => [path, origin, value]),
					),
				);
		});
	return command;
}
