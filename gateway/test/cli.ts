import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';

const program = join(import.meta.dirname, '../src/cli.ts');

export interface CliEnd {
	/** Undefined when it was killed. */
	readonly code: number | undefined;
	readonly stdout: string;
	readonly stderr: string;
}

export interface RunningCli {
	readonly process: ChildProcess;
	/** What it has said so far, on both. */
	said(): string;
	readonly end: Promise<CliEnd>;
}

export interface CliOptions {
	readonly cwd?: string;
	readonly env?: Readonly<Record<string, string>>;
}

/** Starts `toolgate …` as a process of its own, with nothing of this one's environment but the path. It is killed at the test's end. */
export function startCli(t: Test, args: readonly string[], { cwd, env = {} }: CliOptions = {}): RunningCli {
	const child = spawn(process.execPath, [program, ...args], {
		env: { PATH: process.env['PATH'], ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
		...(cwd === undefined ? {} : { cwd }),
	});
	const text = { stdout: '', stderr: '' };
	for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (chunk: string) => (text[name] += chunk));
	const end = once(child, 'close').then(([code]) => ({ code: (code as number | null) ?? undefined, ...text }));
	t.teardown(async () => {
		child.kill('SIGKILL');
		await end;
	});
	return { process: child, said: () => text.stdout + text.stderr, end };
}

export const cli = (t: Test, args: readonly string[], options?: CliOptions): Promise<CliEnd> => startCli(t, args, options).end;
