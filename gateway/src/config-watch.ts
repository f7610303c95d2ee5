import { isDeepStrictEqual } from 'node:util';
import { watch, type FSWatcher } from 'chokidar';
import type { Config, LoadedConfig } from './config.ts';
import { ToolGateError } from './errors.ts';

export interface ConfigWatchOptions {
	readonly loaded: LoadedConfig;
	/** Reads the configuration again. @throws {ToolGateError} CONFIG: it is wrong. */
	readonly load: () => LoadedConfig;
	/** Takes over other upstreams. @throws {ToolGateError} CONFIG: they can't be, and nothing has changed. */
	readonly apply: (upstreams: Config['upstreams']) => Promise<void>;
	readonly onNews: (text: string, isProblem?: boolean) => void;
	readonly onFault: (error: unknown) => void;
}

/** A write is over when nothing has changed for this long. */
const SETTLE_MS = 120;

/**
 * Takes over what changes in the configuration file while the gateway runs: upstreams, and nothing else. What else has changed is told,
 * since it waits for a restart; a file that can't be read changes nothing, and is told too.
 */
export class ConfigWatch {
	readonly #options: ConfigWatchOptions;
	/** What was read last; of it, upstreams are in force. */
	#last: Config;
	#watcher: FSWatcher | undefined;
	#settling: NodeJS.Timeout | undefined;
	#applying: Promise<void> = Promise.resolve();

	constructor(options: ConfigWatchOptions) {
		this.#options = options;
		this.#last = options.loaded.config;
	}

	/** Resolves when it watches. Without a file there is nothing to watch. */
	async start(): Promise<void> {
		const { file } = this.#options.loaded;
		if (file === undefined) return;
		this.#watcher = watch(file, { ignoreInitial: true });
		this.#watcher.on('all', () => {
			clearTimeout(this.#settling);
			this.#settling = setTimeout(() => {
				this.#applying = this.#applying.then(() => this.#reload()).catch((error: unknown) => this.#options.onFault(error));
			}, SETTLE_MS);
		});
		await new Promise<void>((resolve) => this.#watcher!.once('ready', resolve));
	}

	async close(): Promise<void> {
		clearTimeout(this.#settling);
		await this.#watcher?.close();
		await this.#applying;
	}

	async #reload(): Promise<void> {
		const { load, apply, onNews } = this.#options;
		try {
			const { config } = load();
			const changed = Object.keys(config).filter((key) => !isDeepStrictEqual(config[key as keyof Config], this.#last[key as keyof Config]));
			const waiting = changed.filter((key) => key !== 'upstreams');
			if (waiting.length > 0) onNews(`configuration: ${waiting.join(', ')} changed; that takes effect with the next start`);
			const before = this.#last.upstreams;
			if (changed.includes('upstreams')) {
				await apply(config.upstreams);
				onNews(`configuration: ${differenceOf(before, config.upstreams)}`);
			}
			this.#last = config;
		} catch (error) {
			if (!(error instanceof ToolGateError)) throw error;
			onNews(`configuration: the changed file is not taken over: ${error.message}`, true);
		}
	}
}

/** One sentence for operators. */
function differenceOf(before: Config['upstreams'], after: Config['upstreams']): string {
	const parts = {
		added: Object.keys(after).filter((name) => !Object.hasOwn(before, name)),
		removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
		changed: Object.keys(after).filter((name) => Object.hasOwn(before, name) && !isDeepStrictEqual(before[name], after[name])),
	};
	const said = Object.entries(parts).flatMap(([what, names]) => (names.length === 0 ? [] : [`${what} ${names.join(', ')}`]));
	const isRenamed = Object.keys(before).length > 1 !== Object.keys(after).length > 1;
	return `upstreams: ${said.join('; ') || 'in another order'}${isRenamed ? `; tools are listed ${Object.keys(after).length > 1 ? 'as <upstream>__<tool>' : 'by their own names'} now` : ''}`;
}
