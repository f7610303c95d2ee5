import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import { readPacked, refuseBundle } from '../bundle-files.ts';
import type { BundleSource, SourceListener } from './bundle-source.ts';

/** A write is over when nothing has changed for this long. */
const SETTLE_MS = 120;
/** Some file systems tell nobody of a change (network mounts, a link that is turned): so often it is looked at anyway. */
const LOOK_EVERY_MS = 2_000;

/** A `.tar.gz`, or a folder that holds a bundle unpacked. */
export class FileSource implements BundleSource {
	readonly says: string;
	readonly isPersisted = false;
	#watcher: FSWatcher | undefined;
	#looks: NodeJS.Timeout | undefined;
	#settling: NodeJS.Timeout | undefined;
	/** What was there at the last look. */
	#seen = '';
	#looking: Promise<void> = Promise.resolve();

	constructor(path: string) {
		this.says = path;
	}

	/** The bundle in one piece: read again when something changed in between. */
	async read(): Promise<Uint8Array> {
		for (let attempt = 0; attempt < 10; attempt++) {
			const before = await this.#state();
			const packed = await readPacked(this.says);
			if ((await this.#state()) === before) return packed;
		}
		return refuseBundle(`${this.says} keeps changing while it is read`);
	}

	async watch(listener: SourceListener): Promise<void> {
		await this.#look(listener);
		this.#watcher = watch(this.says, { ignoreInitial: true });
		this.#watcher.on('all', () => {
			clearTimeout(this.#settling);
			this.#settling = setTimeout(() => void this.#look(listener), SETTLE_MS);
		});
		await new Promise<void>((resolve) => this.#watcher!.once('ready', resolve));
		this.#looks = setInterval(() => void this.#look(listener), LOOK_EVERY_MS).unref();
		// A change before the watcher was ready.
		await this.#look(listener);
	}

	async close(): Promise<void> {
		clearTimeout(this.#settling);
		clearInterval(this.#looks);
		await this.#watcher?.close();
		await this.#looking;
	}

	#look(listener: SourceListener): Promise<void> {
		return (this.#looking = this.#looking.then(async () => {
			const state = await this.#state();
			if (state === this.#seen) return;
			this.#seen = state;
			let packed: Uint8Array;
			try {
				packed = await this.read();
			} catch (error) {
				return listener.failed((error as Error).message);
			}
			await listener.found(packed);
		}));
	}

	/** Sizes and times of what lies there; changes whenever something was written. */
	async #state(): Promise<string> {
		const found = await stat(this.says).catch(() => undefined);
		if (found === undefined) return 'absent';
		if (!found.isDirectory()) return `${found.ino} ${found.size} ${found.mtimeMs}`;
		const entries = await readdir(this.says, { recursive: true, withFileTypes: true }).catch(() => []);
		const states = await Promise.all(
			entries.map(async ({ parentPath, name }) => {
				const path = join(parentPath, name);
				const entry = await stat(path).catch(() => undefined);
				return `${path} ${entry?.ino} ${entry?.size} ${entry?.mtimeMs}`;
			}),
		);
		return states.sort().join('\n');
	}
}
