import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { checkPolicy } from './check.ts';
import { gzipStored } from './gzip-stored.ts';
import { runOpa } from './index.ts';
import { PolicyProblems } from './problem.ts';
import { bundleSources, digestOfSources, pathOf, type Source } from './sources.ts';

export interface BuildOptions {
	/** The folder with `rules/` and, where there are any, data and `version`. `lib/`, `schemas/` and `capabilities.json` are the shipped ones unless it has its own. */
	readonly policyDir: string;
	/** The bundle to write, a `.tar.gz`. Replaced in one step: whoever watches it never sees half of it. */
	readonly out: string;
}

export interface BuiltBundle {
	/** Digest of the sources: `sha256:<64 hex>`. */
	readonly revision: string;
	/** Of the file `version`; 0 without one. A gateway never goes back to a lower one by itself. */
	readonly version: number;
	readonly bytes: number;
}

/**
 * Checks the policy and compiles it to an OPA bundle with a WebAssembly module. The same sources give the same bytes on every machine.
 * @throws {PolicyProblems} what is wrong with the policy, and where.
 */
export async function buildBundle({ policyDir, out }: BuildOptions): Promise<BuiltBundle> {
	const problems = await checkPolicy(policyDir);
	if (problems.length > 0) throw new PolicyProblems(problems);
	const sources = await bundleSources(policyDir);
	const manifest = { revision: digestOfSources(sources), roots: ['toolgate'], metadata: { version: await readVersion(policyDir) } };
	const bundle = await compile(sources, manifest, policyDir);
	await mkdir(dirname(out), { recursive: true });
	const unfinished = `${out}.${process.pid}.tmp`;
	try {
		await writeFile(unfinished, bundle);
		await rename(unfinished, out);
	} finally {
		await rm(unfinished, { force: true });
	}
	return { revision: manifest.revision, version: manifest.metadata.version, bytes: bundle.length };
}

/** Compiles a copy, in a folder that looks the same wherever it is: the module names the files that its rules came from. */
async function compile(sources: readonly Source[], manifest: object, policyDir: string): Promise<Buffer> {
	const folder = await mkdtemp(join(tmpdir(), 'toolgate-policy-'));
	try {
		for (const { path, bytes } of [...sources, { path: '.manifest', bytes: JSON.stringify(manifest) }]) {
			const file = join(folder, 'policy', path);
			await mkdir(dirname(file), { recursive: true });
			await writeFile(file, bytes);
		}
		const capabilities = await readFile(await pathOf(policyDir, 'capabilities.json'));
		await writeFile(join(folder, 'capabilities.json'), capabilities);
		// Never -O: an optimised module has the data compiled in, and goes on granting what was taken away.
		const { code, stdout, stderr } = await runOpa(
			['build', '--target', 'wasm', '--capabilities', '../capabilities.json', '--bundle', '.', '--output', '../bundle.tar.gz'],
			{ cwd: join(folder, 'policy') },
		);
		if (code !== 0) {
			const message = (stderr || stdout)
				.trim()
				.replace(/^error: /, '')
				.replaceAll(/\s*\n\s*/g, '; ');
			throw new PolicyProblems([{ file: policyDir, line: 0, column: 0, message }]);
		}
		return gzipStored(gunzipSync(await readFile(join(folder, 'bundle.tar.gz'))));
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

async function readVersion(policyDir: string): Promise<number> {
	const file = join(policyDir, 'version');
	const text = await readFile(file, 'utf8').catch(() => '0');
	if (!/^\d{1,15}$/.test(text.trim())) throw new PolicyProblems([{ file, line: 0, column: 0, message: 'expected one whole number' }]);
	return Number(text);
}
