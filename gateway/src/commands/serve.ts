import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { paint } from './terminal.ts';

export function serveCommand(): Command {
	return new Command('serve')
		.description('run the gateway')
		.option('--config <file>', 'default: toolgate.yaml')
		.action(async (options: { config?: string }) => {
			const stopping = new AbortController();
			let close = async (): Promise<void> => undefined;
			const stop = () => {
				// A second signal means: now.
				process.once('SIGINT', () => process.exit(130));
				process.once('SIGTERM', () => process.exit(143));
				stopping.abort();
				void close().finally(() => process.exit(0));
			};
			process.once('SIGINT', stop);
			process.once('SIGTERM', stop);
			// Loaded only here: every other command would wait for the whole gateway.
			const { startGateway } = await import('../start.ts');
			const gateway = await startGateway(loadConfig(options.config), stopping.signal);
			close = gateway.close;
			console.log(
				`${paint('bold', 'ToolGate')} serves agents at ${paint('cyan', `${gateway.agentsUrl}/mcp`)} and people at ${paint('cyan', gateway.peopleUrl)}`,
			);
			if (gateway.signInUrl !== undefined) console.log(`Sign in, once and within ten minutes: ${paint('cyan', gateway.signInUrl)}`);
		});
}
