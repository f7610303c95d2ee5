import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { startGateway } from '../app.ts';

export function serveCommand(): Command {
	return new Command('serve')
		.description('run the gateway')
		.option('--config <file>', 'default: toolgate.yaml')
		.action(async (options: { config?: string }) => {
			const gateway = await startGateway(loadConfig(options.config));
			const stop = () => {
				// A second signal means: now.
				process.once('SIGINT', () => process.exit(130));
				process.once('SIGTERM', () => process.exit(143));
				void gateway.close().then(() => process.exit(0));
			};
			process.once('SIGINT', stop);
			process.once('SIGTERM', stop);
		});
}
