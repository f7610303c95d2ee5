import type { ServiceName } from '../demo/services.ts';
import type { Part, PartName } from './parts.ts';

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
	/** Every service, in the order they start, and the database. */
	readonly parts: readonly Part[];
	/** Somebody else has put it up, and goes on with it: what is broken has to be mended before this run ends. */
	readonly isShared: boolean;
	/** Resolves when the part is gone. @throws {UsageError} it has no process of its own, or does not end */
	stop(name: PartName): Promise<void>;
	/** Resolves when the part answers. @throws {UsageError} */
	start(name: PartName): Promise<void>;
	/** Takes down what this run has put up, and nothing else; safe to call twice. */
	close(): Promise<void>;
}

export interface OpenOptions {
	readonly environment: NodeJS.ProcessEnv;
	readonly onProgress: (text: string) => void;
	/** Aborted while opening: what is half up is taken down before the promise rejects. */
	readonly signal: AbortSignal;
}
