import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';

/** The core of what is measured, and the core of everything else. */
const MEASURED_CORE = 0;
const OTHER_CORE = 1;

const DIE_WITH_PARENT = new URL('../../tools/demo/die-with-parent.ts', import.meta.url).href;

/** Whether measured processes have a core of their own: `taskset` is there, and two cores. */
export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Moves this process, and all that it starts without saying otherwise, off the measured core. */
export function leaveMeasuredCore(): void {
	if (!canPin) return;
	const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', String(OTHER_CORE), String(process.pid)], { encoding: 'utf8' });
	if (status !== 0) throw new Error(`taskset: ${stderr.trim()}`);
}

export interface ServerProcess {
	readonly url: string;
	/** User and system time of all its threads since its start. */
	cpuMs(): number;
	rssBytes(): number;
	stop(): Promise<void>;
}

export interface ServerOptions {
	/** A module that prints its URL as its first line when it listens, and ends at SIGTERM. */
	readonly module: string;
	readonly args?: readonly string[];
	/** On the measured core; otherwise where this process is. */
	readonly isMeasured: boolean;
}

/** Starts a server of the bench as a process of its own. @throws {Error} it ended before it listened. */
export async function startServer({ module, args = [], isMeasured }: ServerOptions): Promise<ServerProcess> {
	const command = [process.execPath, '--import', DIE_WITH_PARENT, module, ...args];
	if (isMeasured && canPin) command.unshift('taskset', '-c', String(MEASURED_CORE));
	const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
	const url = await firstLine(child, module);
	const { pid } = child;
	return {
		url,
		cpuMs: () => cpuMsOf(pid!),
		rssBytes: () => rssBytesOf(pid!),
		async stop() {
			if (child.exitCode !== null || child.signalCode !== null) return;
			const ended = once(child, 'exit');
			child.kill('SIGTERM');
			await ended;
		},
	};
}

async function firstLine(child: ChildProcess, module: string): Promise<string> {
	for await (const line of createInterface({ input: child.stdout! })) return line;
	throw new Error(`${module} ended before it listened`);
}

const TICKS_PER_SECOND = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);

/** utime and stime of `/proc/<pid>/stat` (proc_pid_stat(5)); they count all threads, in ticks of 10 ms on most machines. */
function cpuMsOf(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
	// The name in parentheses is field 2 and may hold anything.
	const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	const [utime, stime] = [fields[14 - 3], fields[15 - 3]];
	return ((Number(utime) + Number(stime)) * 1000) / TICKS_PER_SECOND;
}

function rssBytesOf(pid: number): number {
	const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
	return Number(kib) * 1024;
}
