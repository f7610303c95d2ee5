import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

export interface Source {
	/** Relative to the policy's folder, with slashes. */
	readonly path: string;
	readonly bytes: Buffer;
}

const isSource = (name: string): boolean =>
	(name.endsWith('.rego') && !name.endsWith('_test.rego')) || name === 'data.json' || name === 'data.yaml';

/** What becomes part of a bundle: the rules without their tests, and the data. Sorted by path. */
export async function readSources(policyDir: string): Promise<Source[]> {
	const entries = await readdir(policyDir, { recursive: true, withFileTypes: true });
	const paths = entries
		.filter((entry) => entry.isFile() && isSource(entry.name))
		.map((entry) => relative(policyDir, join(entry.parentPath, entry.name)));
	const slashed = paths.map((path) => path.split(sep).join('/')).sort();
	return Promise.all(slashed.map(async (path) => ({ path, bytes: await readFile(join(policyDir, path)) })));
}

/** `sha256:<64 hex>` over paths and contents. */
export function digestOfSources(sources: readonly Source[]): string {
	const hash = createHash('sha256');
	for (const { path, bytes } of sources) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
	return `sha256:${hash.digest('hex')}`;
}
