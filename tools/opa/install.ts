import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface InstallOptions {
	readonly version: string;
	/** Where the executable shall stand. */
	readonly target: string;
	/** Folder of the official builds of this version. */
	readonly downloads: string;
	readonly env: NodeJS.ProcessEnv;
	/** One line per step. */
	readonly progress: (line: string) => void;
}

const DOWNLOAD_TIMEOUT_MS = 300_000;
/** Compiling OPA with nothing cached takes about 90 s on two cores. */
const BUILD_TIMEOUT_MS = 1_200_000;

/**
 * Puts OPA at `target`: the official build, checked against its published digest, or else built from source by `go install`.
 * `target` appears whole or not at all, also when several processes install at once.
 * @returns undefined when done, otherwise why each way failed.
 */
export async function install(options: InstallOptions): Promise<string[] | undefined> {
	const { target, progress } = options;
	await mkdir(dirname(target), { recursive: true });
	const folder = await mkdtemp(join(dirname(target), '.install-'));
	const built = join(folder, basename(target));
	const failures: string[] = [];
	try {
		for (const way of [download, goInstall]) {
			try {
				await way(built, options);
				await rename(built, target);
				progress(`opa ${options.version} is in ${target}`);
				return undefined;
			} catch (error) {
				failures.push(reason(error));
				progress(failures.at(-1)!);
			}
		}
		return failures;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

async function download(file: string, { version, downloads, progress }: InstallOptions): Promise<void> {
	const url = `${downloads}/${officialName()}`;
	progress(`opa ${version} is not on this machine: downloading ${url}`);
	const signal = AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS);
	const [published, executable] = await Promise.all([fetchBytes(`${url}.sha256`, signal), fetchBytes(url, signal)]);
	const expected = /^[0-9a-f]{64}\b/i.exec(published.toString('utf8').trim())?.[0].toLowerCase();
	if (expected === undefined) throw new Error(`${url}.sha256 holds no SHA-256 digest`);
	const seen = createHash('sha256').update(executable).digest('hex');
	if (seen !== expected) throw new Error(`${url} has the digest ${seen}, published is ${expected}`);
	await writeFile(file, executable);
	await chmod(file, 0o755);
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Buffer> {
	let response: Response;
	try {
		response = await fetch(url, { signal });
	} catch (error) {
		throw new Error(`${url} can't be reached: ${reason(error instanceof Error && error.cause !== undefined ? error.cause : error)}`, {
			cause: error,
		});
	}
	if (!response.ok) throw new Error(`${url} answered ${response.status}`);
	return Buffer.from(await response.arrayBuffer());
}

/** What the project calls its build for this machine. */
function officialName(): string {
	const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
	if (process.platform === 'win32') return `opa_windows_${arch}.exe`;
	if (process.platform === 'darwin') return arch === 'arm64' ? 'opa_darwin_arm64_static' : 'opa_darwin_amd64';
	return `opa_linux_${arch}_static`;
}

async function goInstall(file: string, { version, env, progress }: InstallOptions): Promise<void> {
	const module = `github.com/open-policy-agent/opa@v${version}`;
	progress(`building it from source instead: go install ${module} (one to three minutes, once)`);
	// Static, as the official builds are: no C compiler is needed.
	const child = spawn('go', ['install', module], {
		env: { ...env, GOBIN: dirname(file), CGO_ENABLED: '0' },
		stdio: ['ignore', 'ignore', 'pipe'],
		timeout: BUILD_TIMEOUT_MS,
	});
	let stderr = '';
	child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2000)));
	const began = performance.now();
	const stillBuilding = setInterval(() => progress(`still building opa, ${Math.round((performance.now() - began) / 1000)} s`), 15_000);
	try {
		await new Promise<void>((resolve, reject) => {
			child.once('error', () => reject(new Error('go is not installed')));
			child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`go install failed: ${stderr.trim().split('\n').at(-1)}`))));
		});
	} finally {
		clearInterval(stillBuilding);
	}
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
