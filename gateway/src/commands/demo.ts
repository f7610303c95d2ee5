import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const supervisor = fileURLToPath(new URL('../../../tools/demo/main.ts', import.meta.url));

export function demoCommand(): Command {
	return new Command('demo')
		.description('the whole demo stack on this machine, as npm start runs it')
		.option('--port-offset <number>', 'added to every port')
		.option('--data-dir <folder>', 'of the gateway')
		.action(async (options: { portOffset?: string; dataDir?: string }) => {
			const args = [
				...(options.portOffset === undefined ? [] : ['--port-offset', options.portOffset]),
				...(options.dataDir === undefined ? [] : ['--data-dir', options.dataDir]),
			];
			const child = spawn(process.execPath, [supervisor, ...args], { stdio: 'inherit' });
			// The supervisor stops its services in order, and this process waits for it. On a terminal it hears of Ctrl-C twice, and minds the first.
			for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
			const [code] = (await once(child, 'exit')) as [number | null];
			process.exitCode = code ?? 1;
		});
}
