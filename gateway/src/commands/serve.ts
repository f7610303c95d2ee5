import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import type { RunningGateway } from '../start.ts';
import { paint } from './terminal.ts';

export function serveCommand(): Command {
	return new Command('serve')
		.description('run the gateway')
		.option('--config <file>', 'default: toolgate.yaml')
		.action(async (options: { config?: string }) => {
			const stopping = new AbortController();
			let starting: Promise<RunningGateway> | undefined;
			const stop = () => {
				// A second signal means: now.
				process.once('SIGINT', () => process.exit(130));
				process.once('SIGTERM', () => process.exit(143));
				stopping.abort();
				// Told before the start is over, it may serve calls already: what it has is drained and closed all the same.
				void (async () => (await starting?.catch(() => undefined))?.close())().finally(() => process.exit(0));
			};
			process.once('SIGINT', stop);
			process.once('SIGTERM', stop);
			// Loaded only here: every other command would wait for the whole gateway.
			const { startGateway } = await import('../start.ts');
			if (stopping.signal.aborted) return;
			starting = startGateway(loadConfig(options.config), stopping.signal);
			const gateway = await starting.catch((error: unknown) => {
				if (!stopping.signal.aborted) throw error;
			});
			if (gateway === undefined) return;
			console.log(
				`${paint('bold', 'ToolGate')} serves agents at ${paint('cyan', `${gateway.agentsUrl}/mcp`)} and people at ${paint('cyan', gateway.peopleUrl)}`,
			);
			// Never into a log, which others may read and which stays: `toolgate sign-in` makes another.
			if (gateway.signInUrl !== undefined && process.stdout.isTTY)
				console.log(`Sign in, once and within ten minutes: ${paint('cyan', await gateway.signInUrl())}`);
		});
}
