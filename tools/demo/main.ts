import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { buildWhenStale } from '../../ui/build.ts';
import { StartFailure } from './child.ts';
import { isFree, ownerOf } from './ports.ts';
import { DEFAULT_PORTS, type Ports, root, servicesOf } from './services.ts';
import { signInLink } from './sign-in-link.ts';
import { type StackFile, Supervisor } from './supervisor.ts';
import { progressLine, welcome } from './welcome.ts';

/** `npm start`: the whole stack on this machine, until Ctrl-C. */

const usage = 'npm start -- [--port-offset N] [--data-dir DIR]';

function fail(text: string): never {
	console.error(text);
	process.exit(2);
}

function options(): { ports: Ports; dataDir: string } {
	let values: { 'port-offset'?: string; 'data-dir'?: string };
	try {
		({ values } = parseArgs({ options: { 'port-offset': { type: 'string' }, 'data-dir': { type: 'string' } } }));
	} catch (error) {
		return fail(`${(error as Error).message.split('. ')[0]}; usage: ${usage}`);
	}
	const offset = Number(values['port-offset'] ?? 0);
	if (!Number.isInteger(offset) || offset < 0 || offset > 40_000) fail('--port-offset: expected a whole number from 0 to 40000');
	const ports = Object.fromEntries(
		Object.entries(DEFAULT_PORTS).map(([name, port]) => [name, (port as number) + offset]),
	) as unknown as Ports;
	return { ports, dataDir: values['data-dir'] === undefined ? join(root, '.toolgate') : resolve(values['data-dir']) };
}

/** Every port that is taken is named, with who has it, before anything starts. */
async function demandFreePorts(ports: Ports, dataDir: string): Promise<void> {
	const taken: string[] = [];
	for (const [name, port] of Object.entries(ports) as [string, number][]) {
		if (await isFree(port)) continue;
		const owner = await ownerOf(port);
		taken.push(`port ${port} (${name === 'people' ? 'gateway, for people' : name}) is in use${owner === undefined ? '' : ` by ${owner}`}`);
	}
	if (taken.length === 0) return;
	const file = join(dataDir, 'supervisor.json');
	const running = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as StackFile) : undefined;
	const advice =
		running !== undefined && isAlive(running.pid)
			? `A stack already runs here (pid ${running.pid}): stop it with Ctrl-C where it was started`
			: 'Stop that';
	fail(`${taken.join('\n')}\n${advice}, or choose other ports: npm start -- --port-offset 1000 --data-dir .toolgate-2`);
}

const indented = (lines: readonly string[]): string => lines.map((line) => `    ${line}`).join('\n');

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

const { ports, dataDir } = options();
await demandFreePorts(ports, dataDir);
if (await buildWhenStale()) console.log('The console has been built anew');
console.log(
	styleText('bold', `Starting ${servicesOf({ ports, dataDir }).length} services; the first start makes a database and takes some seconds`),
);
const supervisor = new Supervisor({
	ports,
	dataDir,
	onProgress: (service, state, tookMs) => {
		if (state === 'up') console.log(progressLine(service, tookMs));
	},
	onCrash: (service, lastLines) =>
		console.error(
			`${styleText('red', '✘')} ${service.name} has ended by itself; stop the stack with Ctrl-C and start it again. Its last words:\n${indented(lastLines)}`,
		),
});

let isStopping = false;
const stop = async (): Promise<void> => {
	if (isStopping) return;
	isStopping = true;
	console.log('\nStopping');
	await supervisor.stop();
	process.exit(0);
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

try {
	const stack = await supervisor.start();
	console.log(welcome(stack, { ports, dataDir }, await signInLink(stack.peopleUrl, dataDir)));
} catch (error) {
	// The whole end of its log first: the line that matters most is the last one on the screen.
	if (!isStopping && error instanceof StartFailure) console.error(indented(error.lastLines));
	if (!isStopping) fail(`toolgate: ${(error as Error).message}`);
}
