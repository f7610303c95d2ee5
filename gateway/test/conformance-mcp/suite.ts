import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Runs the official suite of `@modelcontextprotocol/conformance`. */

export const REVISIONS = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof REVISIONS)[number];

/** `SUCCESS`, `FAILURE`, `WARNING`, `SKIPPED`, … by `scenario/check`; a check that comes several times has all of them, sorted. */
export type Results = Readonly<Record<string, string>>;

/** All scenarios of a revision, those that are not scored too: what a server passes there, it has to pass through the gateway. */
export async function runSuite(url: string, revision: Revision): Promise<Results> {
	const folder = await mkdtemp(join(tmpdir(), 'toolgate-conformance-'));
	try {
		const output = await runCommand(['server', '--url', url, '--requirements', revision, '--output-dir', folder]);
		const results = await readResults(folder);
		if (Object.keys(results).length === 0) throw new Error(`the suite left no results: ${output.slice(-500)}`);
		return results;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

/** It exits with 1 where a check has failed, which its results say too. */
function runCommand(args: readonly string[]): Promise<string> {
	const main = join(dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')), 'dist/index.js');
	return new Promise((resolve) => {
		execFile(process.execPath, [main, ...args], { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout, stderr) => resolve(stdout + stderr));
	});
}

async function readResults(folder: string): Promise<Results> {
	const found = new Map<string, string[]>();
	for (const name of (await readdir(folder)).sort()) {
		const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, '');
		const checks = JSON.parse(await readFile(join(folder, name, 'checks.json'), 'utf8')) as { id: string; status: string }[];
		for (const { id, status } of checks) {
			const key = `${scenario}/${id}`;
			found.set(key, [...(found.get(key) ?? []), status]);
		}
	}
	return Object.fromEntries([...found].map(([key, statuses]) => [key, statuses.sort().join(' ')]));
}
