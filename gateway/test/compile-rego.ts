import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { opaPath } from '../../tools/opa/index.ts';
import { readTar } from '../src/policy/tar.ts';

/** Compiles Rego source to WebAssembly by the real compiler. Every entrypoint is a path such as `a/allow`. Returns `policy.wasm`. */
export async function compileRego(source: string, entrypoints: string[]): Promise<Uint8Array> {
	const dir = await mkdtemp(join(tmpdir(), 'toolgate-rego-'));
	try {
		await writeFile(join(dir, 'policy.rego'), source);
		const bundle = join(dir, 'bundle.tar.gz');
		const flags = entrypoints.flatMap((entrypoint) => ['-e', entrypoint]);
		await promisify(execFile)(await opaPath(), ['build', '-t', 'wasm', ...flags, '-o', bundle, 'policy.rego'], { cwd: dir });
		const wasm = readTar(gunzipSync(await readFile(bundle))).find(({ path }) => path === 'policy.wasm');
		if (wasm === undefined) throw new Error('opa build left no policy.wasm');
		return wasm.bytes;
	} finally {
		await rm(dir, { recursive: true });
	}
}
