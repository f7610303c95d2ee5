import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ToolGateError } from '../errors.ts';
import { readTar, TarError, writeTar } from './tar.ts';

const MiB = 1024 * 1024;
/** Of a bundle as it is stored or sent. */
export const MAX_PACKED_BYTES = 16 * MiB;
const MAX_UNPACKED_BYTES = 64 * MiB;
const MAX_FILES = 10_000;

/** Files of a bundle by their path, without a leading slash. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** @throws {ToolGateError} BUNDLE, always. */
export function refuseBundle(why: string, options?: ErrorOptions): never {
	throw new ToolGateError('BUNDLE', why, options);
}

/**
 * A bundle as bytes: the file itself, or an archive of the folder.
 * @throws {ToolGateError} BUNDLE: it isn't there, or is too large.
 */
export async function readPacked(path: string): Promise<Buffer> {
	const found = await stat(path).catch((cause: NodeJS.ErrnoException) =>
		refuseBundle(
			cause.code === 'ENOENT' ? `${path}: no such file; build it with npm run policy:build` : `${path} can't be read (${cause.code})`,
			{ cause },
		),
	);
	if (found.isDirectory()) return packFolder(path);
	if (!found.isFile()) return refuseBundle(`${path} is neither a file nor a folder`);
	if (found.size > MAX_PACKED_BYTES) refuseBundle(`${path}: ${found.size} bytes, at most ${MAX_PACKED_BYTES}`);
	return readFile(path).catch((cause: NodeJS.ErrnoException) => refuseBundle(`${path} can't be read (${cause.code})`, { cause }));
}

/** The files of a gzip tar, or of a plain tar. @throws {ToolGateError} BUNDLE */
export function unpackFiles(packed: Uint8Array): BundleFiles {
	let archive: Uint8Array = packed;
	if (packed[0] === 0x1f && packed[1] === 0x8b) {
		try {
			archive = gunzipSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES });
		} catch (cause) {
			const isTooLarge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
			refuseBundle(isTooLarge ? `more than ${MAX_UNPACKED_BYTES} bytes unpacked` : 'not a complete gzip file', { cause });
		}
	}
	if (archive.length > MAX_UNPACKED_BYTES) refuseBundle(`more than ${MAX_UNPACKED_BYTES} bytes unpacked`);
	try {
		const entries = readTar(archive);
		if (entries.length > MAX_FILES) refuseBundle(`${entries.length} files, at most ${MAX_FILES}`);
		return new Map(entries.map(({ path, bytes }) => [path, bytes]));
	} catch (cause) {
		if (!(cause instanceof TarError)) throw cause;
		return refuseBundle(cause.message, { cause });
	}
}

/** A gzip tar of the files, the same bytes for the same files. @throws {TarError} a path is too long. */
export function packFiles(files: BundleFiles): Buffer {
	return gzipSync(writeTar([...files].map(([path, bytes]) => ({ path, bytes }))));
}

/** `sha256:<64 hex>` over names and contents: how they were packed doesn't count. */
export function digestOfFiles(files: BundleFiles): string {
	const hash = createHash('sha256');
	for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
	return `sha256:${hash.digest('hex')}`;
}

async function packFolder(folder: string): Promise<Buffer> {
	const entries: { path: string; bytes: Buffer }[] = [];
	let bytesInAll = 0;
	for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
		const path = join(entry.parentPath, entry.name);
		const named = relative(folder, path).split(sep).join('/');
		if (entry.isDirectory()) continue;
		if (!entry.isFile()) refuseBundle(`${named} is a link or a device; only files and folders are accepted`);
		const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) =>
			refuseBundle(`${path} can't be read (${cause.code})`, { cause }),
		);
		bytesInAll += bytes.length;
		if (bytesInAll > MAX_UNPACKED_BYTES) refuseBundle(`${folder}: more than ${MAX_UNPACKED_BYTES} bytes`);
		if (entries.push({ path: named, bytes }) > MAX_FILES) refuseBundle(`${folder}: more than ${MAX_FILES} files`);
	}
	try {
		return writeTar(entries.sort((a, b) => (a.path < b.path ? -1 : 1)));
	} catch (cause) {
		return refuseBundle((cause as Error).message, { cause });
	}
}
