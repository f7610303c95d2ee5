import type { ServiceName } from '../demo/services.ts';

/** A mistake in a suite, on the command line or around the program: one line, exit code 2. */
export class UsageError extends Error {
	override readonly name = 'UsageError';
}

/** The demo stack somewhere, whose parts can be broken for real. */
export interface Deployment {
	/** In words, for people: which stack this is. */
	readonly what: string;
	readonly urls: Readonly<Record<ServiceName, string>>;
	readonly peopleUrl: string;
	readonly operatorToken: string;
	/** Resolves when the service is gone. */
	stop(name: ServiceName): Promise<void>;
	/** Resolves when the service answers. */
	start(name: ServiceName): Promise<void>;
	/** Takes down what this run has put up, and nothing else; safe to call twice. */
	close(): Promise<void>;
}

export interface OpenOptions {
	readonly environment: NodeJS.ProcessEnv;
	readonly onProgress: (text: string) => void;
	/** Aborted while opening: what is half up is taken down before the promise rejects. */
	readonly signal: AbortSignal;
}
