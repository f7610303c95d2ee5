import { Command } from 'commander';
import { OperatorClient, type OperatorOptions } from './operator-client.ts';
import { jsonText } from './terminal.ts';

/** A sub-command that talks to a running gateway: `--config`, `--url` and `--json` are the same everywhere. */
export function operatorCommand(name: string, description: string): Command {
	return new Command(name)
		.description(description)
		.option('--config <file>', 'configuration of the running gateway (default: toolgate.yaml)')
		.option('--url <url>', 'its people listener, where the configuration does not say')
		.option('--json', 'as JSON');
}

export interface CommonOptions extends OperatorOptions {
	readonly json?: boolean;
}

export const connect = (options: OperatorOptions): OperatorClient => new OperatorClient(options);

/** Prints JSON for machines, or else what `human` says. */
export function print(options: CommonOptions, value: unknown, human: () => string): void {
	console.log(options.json ? jsonText(value, 2) : human());
}
