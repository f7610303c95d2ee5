import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { install } from './install.ts';

/** The one version that policies are checked, tested and built with: another may compile another module from the same sources. */
export const OPA_VERSION = '1.20.2';

export interface OpaOptions {
	/** `OPA`, `PATH`, `XDG_CACHE_HOME`, `HOME` and Go's own variables count. Default: this process's. */
	readonly env?: NodeJS.ProcessEnv;
	/** Folder of the official builds. */
	readonly downloads?: string;
	/** Told each step of an installation. Default: a line on stderr. */
	readonly progress?: (line: string) => void;
}

export interface OpaRun {
	/** Exit code; null after a signal. */
	readonly code: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** OPA can't be had on this machine; the message says what to do. */
export class OpaMissing extends Error {
	override readonly name = 'OpaMissing';
}

/** For tests that are to fail by what they say, and not because a busy machine takes longer than OPA's 5 seconds. */
export const PATIENTLY = ['--timeout', '2m'] as const;

let found: Promise<string> | undefined;

/**
 * Path of the pinned OPA: the variable `OPA`, else the first on `PATH` with the right version, else the cache folder, which is filled
 * by the official download or `go install`.
 * @throws {OpaMissing}
 */
export function opaPath(options: OpaOptions = {}): Promise<string> {
	if (Object.keys(options).length > 0) return find(options);
	found ??= find(options).catch((error: unknown) => {
		found = undefined;
		throw error;
	});
	return found;
}

/** Runs the pinned OPA and collects what it says. A non-zero exit code is a value. @throws {OpaMissing} */
export async function runOpa(args: readonly string[], { cwd }: { cwd?: string } = {}): Promise<OpaRun> {
	const path = await opaPath();
	return collect(path, args, cwd);
}

async function find({
	env = process.env,
	downloads = `https://openpolicyagent.org/downloads/v${OPA_VERSION}`,
	progress = (line) => console.error(line),
}: OpaOptions): Promise<string> {
	if (env['OPA'] !== undefined && env['OPA'] !== '') return demandVersion(env['OPA']);
	for (const path of onPath(env)) {
		if ((await versionOf(path)) === OPA_VERSION) return path;
	}
	const home = env['HOME'] ?? homedir();
	const cached = join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'toolgate', `opa-${OPA_VERSION}`, executable);
	if ((await versionOf(cached)) === OPA_VERSION) return cached;
	const failures = await install({ version: OPA_VERSION, target: cached, downloads, env, progress });
	if (failures === undefined) return demandVersion(cached);
	throw new OpaMissing(
		`OPA ${OPA_VERSION} is needed, and can't be installed (${failures.join('; ')}). Put it on PATH, or name it: OPA=/path/to/opa`,
	);
}

const executable = process.platform === 'win32' ? 'opa.exe' : 'opa';

const onPath = (env: NodeJS.ProcessEnv): string[] =>
	(env['PATH'] ?? '')
		.split(delimiter)
		.filter((folder) => folder !== '')
		.map((folder) => join(folder, executable));

async function demandVersion(path: string): Promise<string> {
	const version = await versionOf(path);
	if (version === OPA_VERSION) return path;
	throw new OpaMissing(`${path} is ${version === undefined ? 'not an OPA that runs here' : `OPA ${version}`}; expected OPA ${OPA_VERSION}`);
}

/** What `opa version` says of itself, or undefined when there is no OPA that runs. */
async function versionOf(path: string): Promise<string | undefined> {
	const isThere = await access(path, constants.X_OK).then(
		() => true,
		() => false,
	);
	if (!isThere) return undefined;
	const { stdout } = await collect(path, ['version']).catch(() => ({ stdout: '' }));
	return /^Version: (\S+)/m.exec(stdout)?.[1];
}

function collect(path: string, args: readonly string[], cwd?: string): Promise<OpaRun> {
	return new Promise((resolve, reject) => {
		const child = spawn(path, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
		let stdout = '';
		let stderr = '';
		child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
		child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
		child.once('error', reject);
		child.once('close', (code) => resolve({ code, stdout, stderr }));
	});
}
