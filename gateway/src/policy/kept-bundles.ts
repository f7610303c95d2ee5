import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseBundle } from './bundle-files.ts';

export interface KeptBundle {
	readonly digest: string;
	readonly revision: string;
	readonly version: number;
}

/** What outlives a restart. */
export interface KeptState {
	/** The source that the rest is about; of another source nothing is known. */
	readonly source: string;
	readonly active: KeptBundle;
	/** The one before. */
	readonly previous?: KeptBundle;
	/** The bundle that an operator went back from: until a newer one comes, the source is not followed. */
	readonly rolledBack?: KeptBundle;
}

const STATE = 'state.json';

/** The last bundles and what was decided about them, in a folder of their own. Each write replaces a file in one step. */
export class KeptBundles {
	readonly #folder: string;
	readonly #source: string;

	constructor(folder: string, source: string) {
		this.#folder = folder;
		this.#source = source;
	}

	/** Undefined when nothing is kept of this source. @throws {Error} it can't be read. */
	async state(): Promise<KeptState | undefined> {
		const text = await readFile(join(this.#folder, STATE), 'utf8').catch((error: NodeJS.ErrnoException) => {
			if (error.code === 'ENOENT') return undefined;
			throw error;
		});
		if (text === undefined) return undefined;
		const state = JSON.parse(text) as KeptState;
		return state.source === this.#source ? state : undefined;
	}

	/** Keeps the state and the archives it names; `packed` is that of the active bundle. */
	async keep(state: Omit<KeptState, 'source'>, packed: Uint8Array): Promise<void> {
		await mkdir(this.#folder, { recursive: true, mode: 0o700 });
		const named = [state.active, state.previous].flatMap((bundle) => (bundle === undefined ? [] : [fileOf(bundle.digest)]));
		const there = await readdir(this.#folder);
		if (!there.includes(fileOf(state.active.digest))) await this.#write(fileOf(state.active.digest), packed);
		await this.#write(STATE, JSON.stringify({ source: this.#source, ...state }, undefined, '\t'));
		// The others only now: until here the old state may name them.
		for (const file of there) if (file.endsWith('.bundle') && !named.includes(file)) await rm(join(this.#folder, file), { force: true });
	}

	/** The archive of a kept bundle. @throws {ToolGateError} BUNDLE */
	async read({ digest, revision }: KeptBundle): Promise<Uint8Array> {
		return readFile(join(this.#folder, fileOf(digest))).catch((cause: NodeJS.ErrnoException) =>
			refuseBundle(`revision ${revision} is not kept any more (${cause.code})`, { cause }),
		);
	}

	async #write(file: string, content: Uint8Array | string): Promise<void> {
		const unfinished = join(this.#folder, `${file}.${process.pid}.tmp`);
		await writeFile(unfinished, content, { mode: 0o600 });
		await rename(unfinished, join(this.#folder, file));
	}
}

const fileOf = (digest: string): string => `${digest.replace(':', '-')}.bundle`;
