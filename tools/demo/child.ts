import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Service } from './services.ts';

const HEALTH_INTERVAL_MS = 50;
const HEALTH_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 8_000;
const LAST_LINES = 15;
const dieWithParent = fileURLToPath(new URL('./die-with-parent.ts', import.meta.url));

/** A service did not come up: `message` is one line, `lastLines` the end of its log. */
export class StartFailure extends Error {
	override readonly name = 'StartFailure';
	readonly lastLines: readonly string[];
	constructor(what: string, lastLines: readonly string[]) {
		// Below an error that nobody caught stand its stack and the version of Node.js.
		const last = lastLines.findLast((line) => /^\S*error\b/i.test(line)) ?? lastLines.at(-1);
		super(last === undefined ? what : `${what}: ${last}`);
		this.lastLines = lastLines;
	}
}

export type ChildState = 'stopped' | 'starting' | 'up' | 'stopping' | 'crashed';

/** One service as a child process of its own group, so that a Ctrl-C reaches only the supervisor, which stops it in order. */
export class Child {
	readonly service: Service;
	readonly #logFile: string;
	readonly #onCrash: (lastLines: readonly string[]) => void;
	#process: ChildProcess | undefined;
	#state: ChildState = 'stopped';

	/** `onCrash` hears when it ends by itself after it was up, with the end of its log. */
	constructor(service: Service, logFile: string, onCrash: (lastLines: readonly string[]) => void = () => undefined) {
		this.service = service;
		this.#logFile = logFile;
		this.#onCrash = onCrash;
	}

	get state(): ChildState {
		return this.#state;
	}

	get pid(): number | undefined {
		return this.#process?.pid;
	}

	/** Resolves when the service answers. @throws {StartFailure} it ended, or did not answer in time. */
	async start(signal?: AbortSignal): Promise<void> {
		if (this.#state === 'up') return;
		this.#state = 'starting';
		const log = openSync(this.#logFile, 'a');
		const { args, env } = this.service;
		const child = spawn(process.execPath, ['--import', dieWithParent, ...args], {
			env: { ...process.env, ...env },
			stdio: ['ignore', log, log, 'ipc'],
			detached: true,
		});
		closeSync(log);
		this.#process = child;
		child.once('exit', () => {
			if (this.#process !== child) return;
			this.#process = undefined;
			const wasUp = this.#state === 'up';
			this.#state = this.#state === 'stopping' ? 'stopped' : 'crashed';
			if (wasUp) this.#onCrash(this.#lastLines());
		});
		const deadline = Date.now() + HEALTH_TIMEOUT_MS;
		while (!(await isHealthy(this.service.healthUrl))) {
			signal?.throwIfAborted();
			if (this.#process !== child) throw new StartFailure(`${this.service.name} ended while starting`, this.#lastLines());
			if (Date.now() > deadline)
				throw new StartFailure(
					`${this.service.name} did not answer at ${this.service.healthUrl} within ${HEALTH_TIMEOUT_MS / 1000} s`,
					this.#lastLines(),
				);
			await wait(HEALTH_INTERVAL_MS);
		}
		this.#state = 'up';
	}

	/** Resolves when the process is gone; one that does not end when told is killed. */
	async stop(): Promise<void> {
		const child = this.#process;
		if (child === undefined) {
			this.#state = 'stopped';
			return;
		}
		this.#state = 'stopping';
		const gone = once(child, 'exit');
		child.kill('SIGTERM');
		const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
		await gone;
		clearTimeout(impatience);
	}

	#lastLines(): string[] {
		const lines = readFileSync(this.#logFile, 'utf8').split('\n');
		return lines.filter((line) => line.trim() !== '').slice(-LAST_LINES);
	}
}

async function isHealthy(url: string): Promise<boolean> {
	try {
		const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
		await response.body?.cancel();
		return response.ok;
	} catch {
		return false;
	}
}
