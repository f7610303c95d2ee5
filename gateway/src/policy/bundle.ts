import type { JsonObject, JsonValue } from '../domain.ts';
import { isObject } from '../json-object.ts';
import { type BundleFiles, digestOfFiles, readPacked, refuseBundle, unpackFiles } from './bundle-files.ts';
import { parseExact } from './opa-json.ts';
import { misplacedIn } from './rule-places.ts';
import { type Signature, type Verification, verifySignature } from './signatures.ts';

/** What the decision library has to offer; evaluated by name, never by index. */
export const ENTRYPOINTS = [
	'toolgate/decision/list',
	'toolgate/decision/call',
	'toolgate/decision/result',
	'toolgate/decision/selftest',
] as const;
export type Entrypoint = (typeof ENTRYPOINTS)[number];

/** An OPA bundle, read, verified and checked for shape. */
export interface Bundle {
	/** The manifest's revision, or `digest` where it has none. */
	readonly revision: string;
	/** `sha256:<64 hex>` over the names and contents of all files. */
	readonly digest: string;
	/** `metadata.version` of the manifest: an older bundle does not replace a newer one. Absent counts as 0. */
	readonly version: number;
	/** Absent where it is not signed, and no signature was asked for. */
	readonly signature?: Signature;
	readonly entrypoints: readonly string[];
	/** Integers beyond ±(2^53 − 1) are `bigint`. */
	readonly data: JsonObject;
	readonly wasm: Uint8Array;
	readonly manifest: JsonObject;
	readonly files: BundleFiles;
}

/**
 * Reads a bundle from a `.tar.gz` or a folder.
 * @throws {ToolGateError} BUNDLE: what is wrong with it.
 */
export async function readBundle(path: string, verification?: Verification): Promise<Bundle> {
	return openBundle(await readPacked(path), verification);
}

/** A bundle from the bytes of its archive. @throws {ToolGateError} BUNDLE */
export function openBundle(packed: Uint8Array, verification?: Verification): Bundle {
	return bundleOf(unpackFiles(packed), verification);
}

/** A bundle from its files. @throws {ToolGateError} BUNDLE */
export function bundleOf(files: BundleFiles, verification?: Verification): Bundle {
	const signature = verifySignature(files, verification);
	refuseForeign(files);
	const manifest = json(files, '.manifest') ?? refuseBundle('.manifest is missing');
	const data = json(files, 'data.json') ?? {};
	refuseRulesInData(data);
	const { entrypoints, module } = moduleOf(manifest);
	const digest = digestOfFiles(files);
	return {
		revision: typeof manifest['revision'] === 'string' && manifest['revision'] !== '' ? manifest['revision'] : digest,
		digest,
		version: versionOf(manifest),
		...(signature === undefined ? {} : { signature }),
		entrypoints,
		data,
		wasm: files.get(module) ?? refuseBundle(`${module} is missing`),
		manifest,
		files,
	};
}

/** What OPA would take into account and we would not: a rule or a list that is passed over in silence may be the one that denies. */
function refuseForeign(files: BundleFiles): void {
	for (const [path, bytes] of files) {
		if (/(?:^|\/)data\.ya?ml$|.\/data\.json$/.test(path))
			refuseBundle(`${path}: only data.json at the top is read; opa build puts all data there`);
		if (path === 'patch.json') refuseBundle('patch.json: a delta is not accepted, only a whole bundle');
		const misplaced = path.endsWith('.rego') ? misplacedIn(Buffer.from(bytes).toString('utf8')) : undefined;
		if (misplaced !== undefined) refuseBundle(`${path}: ${misplaced}`);
	}
}

function refuseRulesInData({ toolgate }: JsonObject): void {
	if (typeof toolgate === 'object' && toolgate !== null && Object.hasOwn(toolgate, 'rules'))
		refuseBundle('data.json has data under toolgate.rules, where only rules belong');
}

function moduleOf(manifest: JsonObject): { entrypoints: string[]; module: string } {
	const modules = manifest['wasm'];
	if (!Array.isArray(modules) || modules.length === 0)
		return refuseBundle('.manifest lists no WebAssembly module: build it with opa build -t wasm');
	const declared = modules.map((each) => {
		const { entrypoint, module } = (each ?? {}) as JsonObject;
		if (typeof entrypoint !== 'string' || typeof module !== 'string')
			return refuseBundle('.manifest has a wasm entry without entrypoint or module');
		return { entrypoint, path: module.replace(/^\//, '') };
	});
	const entrypoints = declared.map(({ entrypoint }) => entrypoint);
	const missing = ENTRYPOINTS.filter((name) => !entrypoints.includes(name));
	if (missing.length > 0) refuseBundle(`the bundle lacks the entrypoint${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`);
	const twice = entrypoints.find((name, index) => entrypoints.indexOf(name) !== index);
	if (twice !== undefined) refuseBundle(`two modules offer the entrypoint ${twice}`);
	const [module, another] = new Set(declared.map(({ path }) => path));
	if (another !== undefined) refuseBundle(`the bundle has several modules (${module}, ${another}); expected one policy.wasm`);
	return { entrypoints, module: module! };
}

function versionOf({ metadata }: JsonObject): number {
	const version = isObject(metadata) ? metadata['version'] : undefined;
	if (version === undefined) return 0;
	return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0
		? version
		: refuseBundle('.manifest metadata.version: expected a whole number');
}

function json(files: BundleFiles, path: string): JsonObject | undefined {
	const bytes = files.get(path);
	if (bytes === undefined) return undefined;
	let value: JsonValue;
	try {
		value = parseExact(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
	} catch (cause) {
		return refuseBundle(`${path} is not JSON`, { cause });
	}
	return isObject(value) ? value : refuseBundle(`${path} is not a JSON object`);
}
