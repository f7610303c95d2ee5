import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';
import { isFree } from '../../tools/demo/ports.ts';
import { DEFAULT_PORTS } from '../../tools/demo/services.ts';
import type { StackFile } from '../../tools/demo/supervisor.ts';
import { until } from './until.ts';

/** The commands that README and docs tell people to type, and what `npm start` prints for them, run as they stand. */

const root = new URL('../../', import.meta.url).pathname;

/** Why a command is not run here. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
	'npm ci': 'whoever runs this has done it',
	'npm test': 'this is it',
	'npm start': 'below, on free ports',
	'npx toolgate serve': 'npm start runs it, and served.ts alone',
	'npx toolgate serve --config toolgate.yaml': 'the same',
	'npm run eval': 'tools/eval-runner/run.test.ts runs all suites',
	'npm run demo:resilience': 'below, one case of it; all in tools/eval-runner/run.test.ts',
	'npm run demo:resilience -- --compose': 'needs Docker; what it does without is in run.test.ts',
	'npm run eval -- --serve evalsuite/resilience.yaml': 'tools/eval-runner/serve/page.test.ts',
	'docker compose up -d --wait': 'needs Docker',
	'docker compose down -v': 'needs Docker',
};

/** The lines of every `sh` block, without comments. */
function commandsOf(page: string): string[] {
	const text = readFileSync(join(root, page), 'utf8');
	return [...text.matchAll(/^```sh\n([^]*?)^```/gm)]
		.flatMap(([, block]) => block!.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()))
		.filter((line) => line !== '' && !line.startsWith('#'));
}

interface Stack {
	readonly file: StackFile;
	readonly dataDir: string;
	readonly offset: number;
	/** What `npm start` printed, without colours. */
	readonly printed: string;
	readonly process: ChildProcess;
}

interface End {
	readonly code: number | null;
	readonly text: string;
}

/** In a shell, in the project's folder: as it is pasted, and without what the test runner puts into every Node.js. */
async function shell(t: Test, command: string, env: Readonly<Record<string, string>> = {}): Promise<End> {
	const child = spawn('sh', ['-c', `unset NODE_OPTIONS\n${command}`], {
		cwd: root,
		env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	t.teardown(() => kill(child));
	let text = '';
	for (const out of [child.stdout, child.stderr]) out.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
	const [code] = (await once(child, 'close')) as [number | null];
	return { code, text: stripVTControlCharacters(text) };
}

function kill({ pid, exitCode }: ChildProcess): void {
	if (pid === undefined || exitCode !== null) return;
	try {
		process.kill(-pid, 'SIGKILL');
	} catch {
		// It has just ended.
	}
}

/** How far the ports are moved, so that all are free; below the ports that the system hands out by itself. */
async function freeOffset(): Promise<number> {
	for (let tries = 0; tries < 50; tries++) {
		const offset = 700 + Math.floor(Math.random() * 11_000);
		const free = await Promise.all(Object.values(DEFAULT_PORTS).map((port) => isFree((port as number) + offset)));
		if (free.every(Boolean)) return offset;
	}
	throw new Error('no free ports');
}

async function npmStart(t: Test): Promise<Stack> {
	const dataDir = mkdtempSync(join(tmpdir(), 'toolgate-readme-'));
	const offset = await freeOffset();
	const child = spawn('env', ['-u', 'NODE_OPTIONS', 'npm', 'start', '--', '--port-offset', String(offset), '--data-dir', dataDir], {
		cwd: root,
		env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
		stdio: ['ignore', 'pipe', 'pipe'],
		detached: true,
	});
	t.teardown(() => {
		kill(child);
		rmSync(dataDir, { recursive: true, force: true });
	});
	let text = '';
	for (const out of [child.stdout, child.stderr]) out.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
	await until(
		'npm start to say that Ctrl-C stops it',
		() => {
			if (child.exitCode !== null) throw new Error(`npm start ended:\n${text}`);
			return text.includes('Ctrl-C stops everything');
		},
		90_000,
	);
	const file = JSON.parse(readFileSync(join(dataDir, 'supervisor.json'), 'utf8')) as StackFile;
	return { file, dataDir, offset, printed: stripVTControlCharacters(text), process: child };
}

const helps = new Map<string, SpawnSyncReturns<string>>();
function helpOf(words: readonly string[]): SpawnSyncReturns<string> {
	const key = words.join(' ');
	const help = helps.get(key) ?? spawnSync(process.execPath, [join(root, 'gateway/src/cli.ts'), ...words, '--help'], { encoding: 'utf8' });
	helps.set(key, help);
	return help;
}

t.test('every command of README and docs is run by a test', async (t) => {
	const pages = [
		'README.md',
		'CONTRIBUTING.md',
		...readdirSync(join(root, 'docs'))
			.filter((name) => name.endsWith('.md'))
			.map((name) => `docs/${name}`),
	];
	const programs = /^(?:npm (?:ci|test|start|run [\w:-]+)|(?:npx )?toolgate [\w-]+|docker compose|curl|node |cd )/;
	for (const page of pages) {
		for (const command of commandsOf(page)) {
			if (command in RUN_ELSEWHERE) continue;
			t.match(command, programs, `${page}: ${command}`);
			const toolgate = /^(?:npx )?toolgate ((?:[a-z-]+ ?)+)/.exec(command)?.[1];
			if (toolgate === undefined) continue;
			// Its help knows every option that the page names.
			const { status, stdout, stderr } = helpOf(toolgate.trim().split(' ').slice(0, 2));
			t.equal(status, 0, `${page}: ${command}: ${stderr}`);
			for (const [option] of command.matchAll(/--[a-z-]+/g)) t.ok(stdout.includes(option), `${page}: ${command}: ${option} exists`);
		}
	}
});

t.test(
	'npm start: what it prints works as pasted, and Ctrl-C leaves nothing behind',
	{ timeout: 170_000, skip: spawnSync('curl', ['--version']).status !== 0 },
	async (t) => {
		const stack = await npmStart(t);
		const { printed, file, offset } = stack;
		const toolgate = /another link: (.*npx toolgate) sign-in/.exec(printed)![1]!;
		const curls = printed.match(/^ +curl -s .*$/gm)!.map((line) => line.trim());
		t.equal(curls.length, 3);
		const [readAndDelete, ignoreCards, refund] = curls as [string, string, string];

		const settings = JSON.parse(/^ {2}\{\n[^]*?^ {2}\}$/m.exec(printed)![0]) as { mcpServers: { toolgate: { type: string; url: string } } };
		t.strictSame(settings.mcpServers.toolgate, { type: 'http', url: file.services.gateway });
		const link = /^ +(http:\S+sign-in\S*)$/m.exec(printed)![1]!;
		t.ok((await fetch(link)).ok, 'the link to the console opens');
		t.notMatch(readFileSync(join(stack.dataDir, 'logs/gateway.log'), 'utf8'), /sign-in/, 'and stands in no log');

		const first = await shell(t, readAndDelete);
		t.match(first.text, /"tool":"list_recent_charges".*"outcome":"ok"/);
		t.match(first.text, /"tool":"delete_customer".*"outcome":"deny"/);

		t.match((await shell(t, ignoreCards)).text, /"mode":"ignore"/);
		const refunded = shell(t, refund);
		let listed = '';
		const id = await until(
			'the refund to wait for a person',
			async () =>
				/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/.exec((listed = (await shell(t, `${toolgate} approvals list`)).text))?.[0],
			40_000,
		).catch((error: Error) => {
			throw new Error(`${error.message}\n${listed}`);
		});
		const approved = await shell(t, `${toolgate} approvals approve ${id}`);
		t.equal(approved.code, 0, approved.text);
		t.match((await refunded).text, /"finalText":"Refunded 42\.00 USD/);

		const crash = await shell(t, 'npm run demo:resilience -- --name crash');
		t.equal(crash.code, 0, crash.text);
		t.match(crash.text, /MCP Crash +list_recent_charges → allow → upstream_error\n[^]*1 of 1 cases as expected/);

		const { services } = (await (
			await fetch(`${file.controlUrl}/services`, { headers: { authorization: `Bearer ${file.controlToken}` } })
		).json()) as { services: { pid: number }[] };
		t.equal(services.length, 5);
		const ended = once(stack.process, 'close');
		// A terminal tells the whole foreground group.
		process.kill(-stack.process.pid!, 'SIGINT');
		await ended;
		for (const { pid } of services) t.throws(() => process.kill(pid, 0), `process ${pid} is gone`);
		for (const port of Object.values(DEFAULT_PORTS))
			t.ok(await isFree((port as number) + offset), `port ${(port as number) + offset} is free`);
		t.notOk(existsSync(join(stack.dataDir, 'supervisor.json')));
	},
);
