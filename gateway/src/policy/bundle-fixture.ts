import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JsonObject } from '../domain.ts';
import { packFiles, unpackFiles } from './bundle-files.ts';

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
