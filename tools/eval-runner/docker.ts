import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { root } from '../demo/services.ts';
import { UsageError } from './deployment.ts';

export interface DockerEnd {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface DockerOptions {
	readonly environment: NodeJS.ProcessEnv;
	/** Aborted: the command is interrupted, and has ended when the promise rejects. */
	readonly signal?: AbortSignal;
	/** Told each line as it is written to stderr, where docker writes its progress. */
	readonly onLine?: (line: string) => void;
}

/**
 * Runs `docker …` in the project's folder, in a process group of its own: a Ctrl-C in the terminal is for the runner, which takes the
 * stack down in order.
 * @throws {UsageError} there is no docker
 */
export async function docker(args: readonly string[], { environment, signal, onLine }: DockerOptions): Promise<DockerEnd> {
	signal?.throwIfAborted();
	const child = spawn('docker', args, {
		cwd: root,
		env: { ...environment, COMPOSE_PROGRESS: 'plain' },
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	const interrupt = () => child.kill('SIGINT');
	signal?.addEventListener('abort', interrupt);
	const text = { stdout: '', stderr: '' };
	for (const name of ['stdout', 'stderr'] as const)
		child[name].setEncoding('utf8').on('data', (chunk: string) => {
			text[name] += chunk;
			if (name === 'stderr') for (const line of chunk.split('\n')) if (line.trim() !== '') onLine?.(line.trim());
		});
	try {
		const [code] = (await once(child, 'close')) as [number | null];
		signal?.throwIfAborted();
		return { code: code ?? 1, ...text };
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT')
			throw new UsageError(
				'Docker is not installed, or `docker` is not in the PATH: https://docs.docker.com/get-docker/; without --compose no Docker is needed',
			);
		throw error;
	} finally {
		signal?.removeEventListener('abort', interrupt);
	}
}

/** What docker says of a failure, in one line: the last one. */
export function lastLine({ stdout, stderr }: DockerEnd): string {
	return (stderr.trim() || stdout.trim()).split('\n').at(-1)?.trim() ?? '';
}
