import type { Command } from 'commander';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime } from './terminal.ts';

export function signInCommand(): Command {
	return operatorCommand('sign-in', 'a one-time link to the console').action(async (options: CommonOptions) => {
		const client = connect(options);
		const { path, expiresAtMs } = await client.post<{ path: string; expiresAtMs: number }>('/api/sign-in-links');
		const url = client.publicUrl + path;
		print(
			options,
			{ url, expiresAtMs },
			() => `${paint('cyan', url)}\n${paint('dim', `opens the console, once; it ends ${relativeTime(expiresAtMs)}`)}`,
		);
	});
}
