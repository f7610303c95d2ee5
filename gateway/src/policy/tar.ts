/** Ustar archives as `opa build` writes them (POSIX.1-1988, with the pax records that Go adds for long names). */

export interface TarEntry {
	/** As written, without leading slashes. */
	readonly path: string;
	readonly bytes: Uint8Array;
}

export class TarError extends Error {
	override readonly name = 'TarError';
}

const BLOCK = 512;
const REGULAR = new Set(['0', '\0']);
const DIRECTORY = '5';
const PAX = 'x';
const PAX_GLOBAL = 'g';

/**
 * Every regular file of an archive, in order. Folders are passed over.
 * @throws {TarError} truncated, a bad checksum, a link or device, a path that leaves the archive, or a path that stands twice.
 */
export function readTar(archive: Uint8Array): TarEntry[] {
	const entries: TarEntry[] = [];
	const seen = new Set<string>();
	let pax: Map<string, string> | undefined;
	for (let at = 0; ; ) {
		if (at + BLOCK > archive.length) throw new TarError('truncated: the archive has no end');
		const header = archive.subarray(at, at + BLOCK);
		if (header.every((byte) => byte === 0)) return entries;
		checkSum(header, at);
		const type = String.fromCharCode(header[156]!);
		const prefix = text(header, 345, 155);
		const named = pax?.get('path') ?? (prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`);
		const size = octal(header, 124, 12, named);
		const start = at + BLOCK;
		if (start + size > archive.length) throw new TarError(`truncated inside ${named}`);
		const bytes = archive.subarray(start, start + size);
		at = start + Math.ceil(size / BLOCK) * BLOCK;
		if (type === PAX) {
			pax = paxRecords(bytes);
			continue;
		}
		pax = undefined;
		if (type === PAX_GLOBAL) continue;
		const path = safePath(named);
		if (type === DIRECTORY) continue;
		if (!REGULAR.has(type)) throw new TarError(`${named} is a link or a device; only files and folders are accepted`);
		if (seen.has(path)) throw new TarError(`${named} stands in the archive twice`);
		seen.add(path);
		entries.push({ path, bytes });
	}
}

function text(header: Uint8Array, at: number, length: number): string {
	const field = header.subarray(at, at + length);
	const end = field.indexOf(0);
	return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('utf8');
}

function octal(header: Uint8Array, at: number, length: number, named: string): number {
	const digits = text(header, at, length).trim();
	if (!/^[0-7]+$/.test(digits)) throw new TarError(`the header of ${named || 'an entry'} has no size`);
	return Number.parseInt(digits, 8);
}

function checkSum(header: Uint8Array, at: number): void {
	if (sumOf(header) !== Number.parseInt(text(header, 148, 8).trim(), 8))
		throw new TarError(`not a tar archive: bad checksum at byte ${at}`);
}

/** The sum of a header's bytes, its own field counted as spaces. */
function sumOf(header: Uint8Array): number {
	return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);
}

function paxRecords(bytes: Uint8Array): Map<string, string> {
	const records = new Map<string, string>();
	let rest = Buffer.from(bytes);
	while (rest.length > 0) {
		const space = rest.indexOf(0x20);
		const length = Number(rest.subarray(0, space).toString('ascii'));
		if (space < 1 || !Number.isInteger(length) || length <= space || length > rest.length) throw new TarError('a pax header is malformed');
		const record = rest.subarray(space + 1, length - 1).toString('utf8');
		const equals = record.indexOf('=');
		records.set(record.slice(0, equals), record.slice(equals + 1));
		rest = rest.subarray(length);
	}
	if (records.has('size')) throw new TarError('an entry is larger than a bundle may be');
	return records;
}

function safePath(named: string): string {
	const steps = named.split('/').filter((step) => step !== '' && step !== '.');
	if (steps.includes('..') || named.includes('\\') || named.includes('\0'))
		throw new TarError(`${JSON.stringify(named)} leaves the archive`);
	return steps.join('/');
}

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/**
 * An archive of the entries in the order given, the same bytes for the same entries: no times, no owners. Paths get the leading slash of OPA's bundles.
 * @throws {TarError} a path is too long for ustar.
 */
export function writeTar(entries: Iterable<TarEntry>): Buffer {
	const parts: Uint8Array[] = [];
	for (const { path, bytes } of entries) parts.push(headerOf(`/${path}`, bytes.length), bytes, Buffer.alloc(-bytes.length & (BLOCK - 1)));
	parts.push(Buffer.alloc(2 * BLOCK));
	return Buffer.concat(parts);
}

function headerOf(path: string, size: number): Buffer {
	const header = Buffer.alloc(BLOCK);
	const [prefix, name] = splitPath(path);
	header.write(name, 0);
	for (const [at, length, value] of [
		[100, 8, 0o600],
		[108, 8, 0],
		[116, 8, 0],
		[124, 12, size],
		[136, 12, 0],
	] as const) {
		header.write(value.toString(8).padStart(length - 1, '0'), at);
	}
	header.write('        0', 148);
	header.write('ustar\u000000', 257);
	header.write(prefix, 345);
	header.write(`${sumOf(header).toString(8).padStart(6, '0')}\0 `, 148);
	return header;
}

function splitPath(path: string): [prefix: string, name: string] {
	if (Buffer.byteLength(path) <= NAME_BYTES) return ['', path];
	for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
		const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
		if (Buffer.byteLength(name) <= NAME_BYTES && Buffer.byteLength(prefix) <= PREFIX_BYTES) return [prefix, name];
	}
	throw new TarError(`${path} is too long for an archive`);
}
