import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `node ui/build.ts`: builds the pages into `ui/dist` when they are not there or their sources have changed; `--force`: in any case. */

const folder = import.meta.dirname;
const stampFile = join(folder, 'dist', '.built-from');

/** True when it built. @throws {Error} the sources can't be built. */
export async function buildWhenStale({ isForced = false } = {}): Promise<boolean> {
	const sources = digestOfSources();
	if (!isForced && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === sources) return false;
	// Loaded here only: most starts have nothing to build.
	const { build } = await import('vite');
	await build({ root: folder, configFile: join(folder, 'vite.config.ts'), logLevel: 'warn' });
	writeFileSync(stampFile, sources);
	return true;
}

/** Of everything that the pages are made from: by content, because a checkout changes every time of modification. */
function digestOfSources(): string {
	const files = readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map(({ parentPath, name }) => join(parentPath, name))
		.filter((file) => !file.startsWith(join(folder, 'dist')) && !file.endsWith('.test.ts'))
		.sort();
	const hash = createHash('sha256');
	for (const file of [...files, join(folder, '../package-lock.json')])
		hash
			.update(`${file.slice(folder.length)}\0`)
			.update(readFileSync(file))
			.update('\0');
	return hash.digest('hex');
}

if (import.meta.main) await buildWhenStale({ isForced: process.argv.includes('--force') });
