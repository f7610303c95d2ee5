import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JsonObject } from '../domain.ts';
import { packFiles, unpackFiles } from './bundle-files.ts';
import { readSections, section } from './metering/module-sections.ts';
import { WasmReader } from './metering/wasm-bytes.ts';
import { writeTar } from './tar.ts';

/** For tests: the default bundle, and bundles made from it by changing files. */
export type Files = Map<string, Uint8Array>;

export const defaultBundle = join(import.meta.dirname, '../../../bundles/toolgate.tar.gz');
const defaultFiles = unpackFiles(readFileSync(defaultBundle));

export interface Changes {
	readonly manifest?: JsonObject;
	readonly data?: JsonObject | string;
	/** Contents by path; undefined takes the file away. */
	readonly files?: Readonly<Record<string, string | Uint8Array | undefined>>;
}

export function filesWith({ manifest, data, files = {} }: Changes = {}): Files {
	const changed: Files = new Map(defaultFiles);
	const text = (path: string, content: string) => changed.set(path, Buffer.from(content));
	if (manifest !== undefined)
		text(
			'.manifest',
			JSON.stringify({ ...(JSON.parse(Buffer.from(defaultFiles.get('.manifest')!).toString()) as JsonObject), ...manifest }),
		);
	if (data !== undefined) text('data.json', typeof data === 'string' ? data : JSON.stringify(data));
	for (const [path, content] of Object.entries(files)) {
		if (content === undefined) changed.delete(path);
		else changed.set(path, Buffer.from(content));
	}
	return changed;
}

/** A packed bundle. */
export const bundleWith = (changes?: Changes): Buffer => packFiles(filesWith(changes));

/** A packed bundle of that version, whose revision is `r<version>` unless said. */
export const versioned = (version: number, revision = `r${version}`, changes: Changes = {}): Buffer =>
	bundleWith({ ...changes, manifest: { ...changes.manifest, revision, metadata: { version } } });

export function unpackInto(folder: string, files: Files): void {
	for (const [path, bytes] of files) {
		mkdirSync(dirname(join(folder, path)), { recursive: true });
		writeFileSync(join(folder, path), bytes);
	}
}

export interface KeyPair {
	readonly publicKey: string;
	readonly privateKey: string;
}

const pem = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } } as const;
export const rsaPair = (modulusLength = 2048): KeyPair => generateKeyPairSync('rsa', { modulusLength, ...pem });
export const ecPair = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve, ...pem });

/** A header of that type and name, its checksum made right, followed by content. */
export function tarEntry(
	name: string,
	options: { type?: string; content?: string; size?: number; prefix?: string; link?: string } = {},
): Buffer {
	const { type = '0', content = '', size = content.length, prefix = '', link = '' } = options;
	const archive = writeTar([{ path: 'x', bytes: Buffer.from(content) }]).subarray(0, -1024);
	archive.fill(0, 0, 100).write(name, 0);
	archive.write(size.toString(8).padStart(11, '0'), 124);
	archive.write(type, 156);
	archive.write(link, 157);
	archive.write(prefix, 345);
	archive.write('        ', 148);
	const sum = archive.subarray(0, 512).reduce((all, byte) => all + byte, 0);
	archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
	return archive;
}

/** The archive of these entries. */
export const tarOf = (...entries: Buffer[]): Buffer => Buffer.concat([...entries, Buffer.alloc(1024)]);

/** The default module as one for another major version of OPA's ABI. */
export function wasmOfAbi(version: number): Uint8Array {
	const wasm = Uint8Array.from(defaultFiles.get('policy.wasm')!);
	// Parts of the sections are views of the copy, so that what is written into them is written into it.
	const { known } = readSections(wasm);
	const exports = new WasmReader(known.get(section.export)!);
	let index: number | undefined;
	for (let left = exports.u32(); left > 0; left--) {
		const name = exports.name();
		exports.skip(1);
		const at = exports.u32();
		if (name === 'opa_wasm_abi_version') index = at;
	}
	const globals = new WasmReader(known.get(section.global)!);
	globals.u32();
	for (let at = 0; ; at++) {
		// Type, mutability and `i32.const`, then the value.
		globals.skip(3);
		if (at === index) break;
		globals.skipNumber();
		globals.skip(1);
	}
	globals.bytes[globals.at] = version;
	return wasm;
}
