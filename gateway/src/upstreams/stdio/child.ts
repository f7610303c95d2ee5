import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { JsonObject } from '../../domain.ts';
import { ErrorOutput } from './error-output.ts';
import { LineSplitter } from './line-splitter.ts';

/** How to run an upstream. */
export interface Command {
	readonly command: string;
	readonly args: readonly string[];
	/** All of its environment. */
	readonly env: Readonly<Record<string, string>>;
	readonly cwd: string;
}

export interface ChildEvents {
	/** A line on its standard output. */
	onLine(line: Buffer): void;
	/** A line on its standard output that is longer than allowed; it is passed over. */
	onTooLong(): void;
	/** A line on its standard error. */
	onErrorLine(line: string): void;
	onFlood(says: string): void;
	/** It has ended, or never began. Called once. */
	onEnd(why: string): void;
}

/** A process that reads so little of its input is not written to. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** Between asking it to end, telling it, and making it. */
const GRACE_MS = 1_000;

/** One run of a command that speaks JSON-RPC in lines on standard input and output (2025-11-25, "stdio"). */
export class Child {
	readonly #process: ChildProcessWithoutNullStreams;
	readonly #errors: ErrorOutput;
	readonly #events: ChildEvents;
	readonly #ended = Promise.withResolvers<void>();
	#hasEnded = false;

	constructor({ command, args, env, cwd }: Command, maxLineBytes: number, events: ChildEvents) {
		this.#events = events;
		this.#errors = new ErrorOutput(events.onErrorLine, events.onFlood);
		// A process group of its own: `npx` and shells start the real server as a child, and signals have to reach that one too.
		const child = spawn(command, args, { cwd, env, detached: true, stdio: 'pipe' });
		this.#process = child;
		const lines = new LineSplitter(maxLineBytes, events.onLine, events.onTooLong);
		child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
		child.stderr.on('data', (chunk: Buffer) => this.#errors.push(chunk));
		for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {});
		// One that no longer listens can't be used any more.
		child.stdin.on('close', () => void this.close());
		child.on('error', (error: NodeJS.ErrnoException) => this.#end(cannotStart(error, command, cwd)));
		// Its last lines may come after its end; a grandchild that holds the pipes open must not keep it alive.
		child.on('exit', (code, signal) => {
			const why = `it ended ${signal === null ? `with code ${code}` : `by ${signal}`}`;
			const late = setTimeout(() => this.#end(this.#withLastWords(why)), GRACE_MS);
			child.on('close', () => {
				clearTimeout(late);
				this.#end(this.#withLastWords(why));
			});
		});
	}

	/** Reads no more for so long: what it writes then waits with it. False where that is so already. */
	pause(ms: number): boolean {
		const { stdout } = this.#process;
		if (stdout.isPaused()) return false;
		stdout.pause();
		setTimeout(() => stdout.resume(), ms).unref();
		return true;
	}

	/** Writes one message; false where the process doesn't read. */
	send(message: JsonObject): boolean {
		const { stdin } = this.#process;
		if (this.#hasEnded || !stdin.writable || stdin.writableLength > MAX_UNREAD_BYTES) return false;
		stdin.write(`${JSON.stringify(message)}\n`);
		return true;
	}

	/** Ends it: asks by closing its input, then tells it, then makes it. Resolves when it is gone. Never rejects. */
	async close(): Promise<void> {
		this.#process.stdin.end();
		const tell = setTimeout(() => this.#signal('SIGTERM'), GRACE_MS);
		const make = setTimeout(() => this.#signal('SIGKILL'), 2 * GRACE_MS);
		await this.#ended.promise;
		clearTimeout(tell);
		clearTimeout(make);
	}

	#end(why: string): void {
		if (this.#hasEnded) return;
		this.#hasEnded = true;
		// Whatever it has started and left behind ends with it.
		this.#signal('SIGKILL');
		for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream.destroy();
		this.#ended.resolve();
		this.#events.onEnd(why);
	}

	#withLastWords(why: string): string {
		return this.#errors.last === undefined ? why : `${why}; its last words: ${this.#errors.last.slice(0, 200)}`;
	}

	#signal(signal: NodeJS.Signals): void {
		if (this.#process.pid === undefined) return;
		try {
			process.kill(-this.#process.pid, signal);
		} catch {
			// Nobody of its group is left.
		}
	}
}

function cannotStart({ code }: NodeJS.ErrnoException, command: string, cwd: string): string {
	if (code === 'ENOENT') return existsSync(cwd) ? `command not found: ${command}` : `the folder to run it in does not exist: ${cwd}`;
	if (code === 'EACCES') return `it may not be run: ${command}`;
	return `it can't be run (${code ?? 'unknown error'}): ${command}`;
}
