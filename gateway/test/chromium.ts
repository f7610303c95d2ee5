import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import type { Test } from 'tap';

/** A real Chromium for tests of the pages: `CHROMIUM`, one on the PATH, or the system's package. `node gateway/test/chromium.ts` sets it up. */

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'microsoft-edge'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
const INSTALL_TIMEOUT_MS = 600_000;

/** How long a test waits for what a page should show: a browser on a busy machine with few cores is slow. */
export const PAGE_TIMEOUT_MS = 30_000;

const FLAGS = [
	'--headless',
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
	'--disable-dev-shm-usage',
];

/** Chromium's sandbox refuses to run as root. */
const isRoot = process.getuid?.() === 0;

/** The executable, or undefined. @throws {Error} CHROMIUM names none. */
export function findChromium(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
	const named = env['CHROMIUM'];
	if (named !== undefined && named !== '') {
		if (!isExecutable(named)) throw new Error(`CHROMIUM names ${named}, which can't be run`);
		return named;
	}
	const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
	return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), MAC].find(isExecutable);
}

function isExecutable(file: string): boolean {
	try {
		accessSync(file, constants.X_OK);
		return statSync(file).isFile();
	} catch {
		return false;
	}
}

/** A new browser with an empty profile, closed at the test's end; undefined where there is none: said loudly, and in CI an error. */
export async function openChromium(t: Test): Promise<Browser | undefined> {
	const executablePath = findChromium();
	if (executablePath === undefined) {
		const why =
			'no Chromium: the pages are NOT tested in a browser. Install one (node gateway/test/chromium.ts does where it may), or name it in CHROMIUM';
		if (process.env['CI'] !== undefined) throw new Error(why);
		console.error(`\n${why}\n`);
		return undefined;
	}
	const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...(isRoot ? ['--no-sandbox'] : [])] });
	t.teardown(() => browser.close());
	return browser;
}

/** Finds it, or else installs the system's package where that may be done without asking: as root. Says what it did. */
function setUp(): string {
	const found = findChromium();
	if (found !== undefined) return `Chromium for the tests of the pages: ${found}`;
	const advice = 'install Chromium, or name it in CHROMIUM; without it the pages are not tested in a browser';
	if (!isRoot || process.platform !== 'linux') return `No Chromium: ${advice}`;
	const apt = (...args: string[]) =>
		spawnSync('apt-get', args, {
			stdio: ['ignore', 'ignore', 'pipe'],
			encoding: 'utf8',
			timeout: INSTALL_TIMEOUT_MS,
			env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
		});
	console.log('No Chromium: installing the package chromium');
	apt('update', '-q');
	const { status, error, stderr } = apt('install', '-y', '-q', '--no-install-recommends', 'chromium');
	if (status !== 0) return `No Chromium, and it can't be installed (${error?.message ?? stderr.trim().split('\n').at(-1)}): ${advice}`;
	return `Chromium for the tests of the pages: ${findChromium()}`;
}

if (import.meta.main) console.log(setUp());
