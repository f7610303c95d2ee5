import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/** One of OPA's cases, compiled. Values are texts: JSON, or a Rego term for the input, so that no digit and no set is lost. */
export type ConformanceCase = {
	/** Path below OPA's folder of cases. Its first part says what the case is about. */
	file: string;
	note: string;
	data?: string;
	input?: string;
	/** The bindings expected, in any order; `undefined` where an error is. */
	wantResult?: string;
	wantError?: string;
	/** Compare arrays without their order: the query binds sets. */
	sortBindings: boolean;
	/** The error shows only where OPA is told to be strict; in WebAssembly the query is undefined. */
	strictError: boolean;
	compileError?: string;
	wasm: Uint8Array;
};

const compilerDir = join(import.meta.dirname, 'compile');
const cacheDir = join(import.meta.dirname, '../../../.cache/opa-conformance');

/**
 * OPA's own cases, read from the Go module cache (fetched if need be) and compiled by the Go program beside this file. The compiled
 * cases, 320 MB of modules that are all but equal, are kept in `.cache` in under 1 MB.
 */
export async function* conformanceCases(): AsyncGenerator<ConformanceCase> {
	const cache = join(cacheDir, `${cacheKey()}.zst`);
	if (!existsSync(cache)) await compileInto(cache);
	const decompress = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: windowLog } });
	for await (const [json, wasm] of pairs(createReadStream(cache).pipe(decompress))) yield { ...JSON.parse(json.toString()), wasm };
}

/** Wide enough to find the previous case's module again. */
const windowLog = 24;

function cacheKey(): string {
	const sources = ['main.go', 'go.mod'].map((name) => readFileSync(join(compilerDir, name)));
	return createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 16);
}

async function compileInto(cache: string): Promise<void> {
	mkdirSync(cacheDir, { recursive: true });
	const module = JSON.parse(
		execFileSync('go', ['mod', 'download', '-json', 'github.com/open-policy-agent/opa'], { cwd: compilerDir, encoding: 'utf8' }),
	);
	const compiler = spawn('go', ['run', '.', join(module.Dir, 'v1/test/cases/testdata/v1')], {
		cwd: compilerDir,
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const exited = once(compiler, 'exit');
	const params = {
		[constants.ZSTD_c_compressionLevel]: 3,
		[constants.ZSTD_c_windowLog]: windowLog,
		[constants.ZSTD_c_enableLongDistanceMatching]: 1,
	};
	await pipeline(compiler.stdout, createZstdCompress({ params }), createWriteStream(`${cache}.part`));
	const [status] = await exited;
	if (status !== 0) throw new Error(`compiling OPA's cases failed: go run ended with ${status}`);
	renameSync(`${cache}.part`, cache);
}

/** The parts of the compiler's output, two by two: each is its length in 4 bytes, little endian, and its bytes. */
async function* pairs(stream: AsyncIterable<Buffer>): AsyncGenerator<[Buffer, Buffer]> {
	let pending = Buffer.alloc(0);
	const parts: Buffer[] = [];
	for await (const chunk of stream) {
		pending = Buffer.concat([pending, chunk]);
		while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
			const end = 4 + pending.readUInt32LE(0);
			parts.push(pending.subarray(4, end));
			pending = pending.subarray(end);
			if (parts.length === 2) yield parts.splice(0, 2) as [Buffer, Buffer];
		}
	}
}
