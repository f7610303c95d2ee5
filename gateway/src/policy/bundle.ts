import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { JsonObject, JsonValue } from '../domain.ts';
import { ToolGateError } from '../errors.ts';
import { readTar, TarError } from './tar.ts';

/** What the decision library has to offer; evaluated by name, never by index. */
export const ENTRYPOINTS = ['toolgate/decision/list', 'toolgate/decision/call', 'toolgate/decision/result', 'toolgate/decision/selftest'] as const;
export type Entrypoint = (typeof ENTRYPOINTS)[number];

const MiB = 1024 * 1024;
const MAX_PACKED_BYTES = 16 * MiB;
const MAX_UNPACKED_BYTES = 64 * MiB;

/** An OPA bundle, read and checked for shape. */
export interface Bundle {
	/** The manifest's revision, or `digest` where it has none. */
	readonly revision: string;
	/** `sha256:<64 hex>` of the file; of a folder, of its files. */
	readonly digest: string;
	/** `metadata.version` of the manifest: an older bundle does not replace a newer one. Absent counts as 0. */
	readonly version: number;
	readonly entrypoints: readonly string[];
	readonly data: JsonObject;
	readonly wasm: Uint8Array;
}

const refuse = (why: string, options?: ErrorOptions): never => {
	throw new ToolGateError('BUNDLE', why, options);
};

/**
 * Reads a bundle from a `.tar.gz` or a folder.
 * @throws {ToolGateError} BUNDLE: what is wrong with it.
 */
export async function readBundle(path: string): Promise<Bundle> {
	const found = await stat(path).catch(() => refuse(`${path}: no such file; build it with npm run policy:build`));
	if (found.isDirectory()) return bundleOf(await folderFiles(path));
	if (found.size > MAX_PACKED_BYTES) refuse(`${path}: ${found.size} bytes, at most ${MAX_PACKED_BYTES}`);
	return unpackBundle(await readFile(path));
}

/** @throws {ToolGateError} BUNDLE */
export function unpackBundle(packed: Uint8Array): Bundle {
	let files: Map<string, Uint8Array>;
	try {
		files = new Map(readTar(gunzipSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES })).map(({ path, bytes }) => [path, bytes]));
	} catch (cause) {
		const why = cause instanceof TarError ? cause.message : 'not a complete gzip file, or too large unpacked';
		return refuse(why, { cause });
	}
	return bundleOf(files, createHash('sha256').update(packed).digest('hex'));
}

async function folderFiles(folder: string): Promise<Map<string, Uint8Array>> {
	const files = new Map<string, Uint8Array>();
	let bytes = 0;
	for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile()) continue;
		const path = join(entry.parentPath, entry.name);
		const content = await readFile(path);
		bytes += content.length;
		if (bytes > MAX_UNPACKED_BYTES) refuse(`${folder}: more than ${MAX_UNPACKED_BYTES} bytes`);
		files.set(relative(folder, path).split(sep).join('/'), content);
	}
	return files;
}

function bundleOf(files: Map<string, Uint8Array>, packedDigest?: string): Bundle {
	const digest = `sha256:${packedDigest ?? digestOfFiles(files)}`;
	const manifest = json(files, '.manifest') ?? refuse('.manifest is missing');
	const modules = manifest['wasm'];
	if (!Array.isArray(modules) || modules.length === 0) return refuse('.manifest lists no WebAssembly module: build it with opa build -t wasm');
	const declared = modules.map((module) => {
		const { entrypoint, module: path } = (module ?? {}) as JsonObject;
		if (typeof entrypoint !== 'string' || typeof path !== 'string') return refuse('.manifest has a wasm entry without entrypoint or module');
		return { entrypoint, path: path.replace(/^\//, '') };
	});
	const entrypoints = declared.map(({ entrypoint }) => entrypoint);
	const missing = ENTRYPOINTS.filter((name) => !entrypoints.includes(name));
	if (missing.length > 0) refuse(`the bundle lacks the entrypoint${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`);
	const twice = entrypoints.find((name, index) => entrypoints.indexOf(name) !== index);
	if (twice !== undefined) refuse(`two modules offer the entrypoint ${twice}`);
	const paths = new Set(declared.map(({ path }) => path));
	if (paths.size > 1) refuse(`the bundle has ${paths.size} modules; expected one policy.wasm`);
	const [path] = paths as Set<string> & Iterable<string>;
	const wasm = files.get(path!) ?? refuse(`${path} is missing`);
	return {
		revision: typeof manifest['revision'] === 'string' && manifest['revision'] !== '' ? manifest['revision'] : digest,
		digest,
		version: versionOf(manifest),
		entrypoints,
		data: json(files, 'data.json') ?? {},
		wasm,
	};
}

function versionOf(manifest: JsonObject): number {
	const metadata = manifest['metadata'];
	const version = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? metadata['version'] : undefined;
	if (version === undefined) return 0;
	return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : refuse('.manifest metadata.version: expected a whole number');
}

function json(files: Map<string, Uint8Array>, path: string): JsonObject | undefined {
	const bytes = files.get(path);
	if (bytes === undefined) return undefined;
	let value: JsonValue;
	try {
		value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as JsonValue;
	} catch (cause) {
		return refuse(`${path} is not JSON`, { cause });
	}
	return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : refuse(`${path} is not a JSON object`);
}

function digestOfFiles(files: Map<string, Uint8Array>): string {
	const hash = createHash('sha256');
	for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
	return hash.digest('hex');
}
