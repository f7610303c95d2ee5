import { createHash } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Source {
	/** Relative to the policy's folder, with slashes. */
	readonly path: string;
	readonly bytes: Buffer;
}

const isSource = (name: string): boolean =>
	(name.endsWith('.rego') && !name.endsWith('_test.rego')) || name === 'data.json' || name === 'data.yaml';

const shippedPolicy = fileURLToPath(new URL('../../policy/', import.meta.url));
const LIBRARY = 'lib';

/** The file or folder of the policy, or of the shipped policy where it has none of its own. */
export async function pathOf(policyDir: string, path: string): Promise<string> {
	const own = join(policyDir, path);
	return access(own).then(
		() => own,
		() => join(shippedPolicy, path),
	);
}

/** What becomes part of a bundle: `readSources`, and the shipped decision library where the policy has none. */
export async function bundleSources(policyDir: string): Promise<Source[]> {
	const own = await readSources(policyDir);
	if (own.some(({ path }) => path.startsWith(`${LIBRARY}/`))) return own;
	const library = await readSources(join(shippedPolicy, LIBRARY));
	return [...library.map(({ path, bytes }) => ({ path: `${LIBRARY}/${path}`, bytes })), ...own].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The rules without their tests, and the data. Sorted by path. */
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
