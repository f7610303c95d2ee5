import { setTimeout as wait } from 'node:timers/promises';
import { isFree, ownerOf } from '../demo/ports.ts';
import { DEFAULT_PORTS, SERVICE_NAMES, type ServiceName } from '../demo/services.ts';
import { type Deployment, type OpenOptions, UsageError } from './deployment.ts';
import { docker, type DockerEnd, lastLine } from './docker.ts';
import { databaseServer, type Part, type PartName, partsOf } from './parts.ts';

const POSTGRES_PORT = 15432;
const HEALTH_TIMEOUT_MS = 60_000;
const HEALTH_INTERVAL_MS = 100;
const local = (port: number, path = ''): string => `http://127.0.0.1:${port}${path}`;

/**
 * The stack of `docker-compose.yml`, built and put up for this run alone; `close` takes it down with its volumes.
 * @throws {UsageError} no Docker, no engine, a stack that is already there, a port in use, a service that does not get healthy
 */
export async function openCompose({ environment, onProgress, signal }: OpenOptions): Promise<Deployment> {
	const compose = (args: readonly string[], isBound = true): Promise<DockerEnd> =>
		docker(['compose', ...args], { environment, onLine: onProgress, ...(isBound ? { signal } : {}) });
	const demand = async (args: readonly string[], what: string): Promise<string> => {
		const end = await compose(args);
		if (end.code !== 0) throw new UsageError(`${what}: ${lastLine(end)}`);
		return end.stdout;
	};
	await demandEngine({ environment, signal });
	demandNoStack(await demand(['ps', '--all', '--format', 'json'], "docker compose can't read docker-compose.yml"));
	await demandFreePorts();

	let closing: Promise<void> | undefined;
	const close = () =>
		(closing ??= (async () => {
			onProgress('taking the stack down');
			const end = await compose(['down', '--volumes', '--remove-orphans', '--timeout', '10'], false);
			if (end.code !== 0) throw new UsageError(`the stack is not down; run docker compose down -v: ${lastLine(end)}`);
		})());
	try {
		onProgress('docker compose up; the first time it builds the images');
		const up = await compose(['up', '--detach', '--build', '--wait', '--wait-timeout', '180']);
		if (up.code !== 0)
			throw new UsageError(
				await whyNotUp(lastLine(up), containersOf((await compose(['ps', '--all', '--format', 'json'])).stdout), async (name) =>
					lastLine(await compose(['logs', '--no-log-prefix', '--tail', '1', name])),
				),
			);
		const token = await demand(
			['exec', '-T', 'gateway', 'sh', '-c', 'echo "${TOOLGATE_OPERATOR_TOKEN:-$(cat /data/operator.token)}"'],
			"the operator token can't be read",
		);
		const urls = Object.fromEntries(
			SERVICE_NAMES.map((name) => [name, local(DEFAULT_PORTS[name], name === 'gateway' ? '/mcp' : '')]),
		) as Record<ServiceName, string>;
		const peopleUrl = local(DEFAULT_PORTS.people);
		const parts = partsOf(urls, peopleUrl, databaseServer(`postgres://gateway:gateway@127.0.0.1:${POSTGRES_PORT}/gateway`));
		const act = async (args: string[], name: PartName) => {
			// Not bound to the interruption: what was broken is mended also after Ctrl-C.
			const end = await compose([...args, name], false);
			if (end.code !== 0) throw new UsageError(`docker compose ${args[0]} ${name}: ${lastLine(end)}`);
		};
		return {
			what: 'docker compose',
			urls,
			peopleUrl,
			parts,
			isShared: false,
			operatorToken: environment['TOOLGATE_OPERATOR_TOKEN'] || token.trim(),
			stop: (name) => act(['stop', '--timeout', '5'], name),
			start: async (name) => {
				await act(['start'], name);
				await untilWell(parts.find((part) => part.name === name)!);
			},
			close,
		};
	} catch (error) {
		await close();
		throw error;
	}
}

async function demandEngine(options: { environment: NodeJS.ProcessEnv; signal: AbortSignal }): Promise<void> {
	const engine = await docker(['version', '--format', '{{.Server.Version}}'], options);
	if (engine.code !== 0) throw new UsageError(`no Docker engine answers; start it: ${lastLine(engine)}`);
	const plugin = await docker(['compose', 'version', '--short'], options);
	if (plugin.code !== 0)
		throw new UsageError('`docker compose` is missing; install the Compose plugin: https://docs.docker.com/compose/install/');
}

interface Container {
	readonly Service: string;
	readonly State: string;
	/** Empty where the service has no health check. */
	readonly Health: string;
}

/** `docker compose ps --format json` writes one object a line. */
const containersOf = (psOutput: string): Container[] =>
	psOutput
		.split('\n')
		.filter((line) => line.startsWith('{'))
		.map((line) => JSON.parse(line) as Container);

/** Compose names one container at most; each service that isn't well is told here, with its last words. */
async function whyNotUp(
	composeSays: string,
	containers: readonly Container[],
	lastWords: (name: string) => Promise<string>,
): Promise<string> {
	const ill = containers.filter(({ State, Health }) => State === 'exited' || State === 'restarting' || Health === 'unhealthy');
	const told = await Promise.all(
		ill.map(async ({ Service, State, Health }) => `${Service} is ${Health || State} (${await lastWords(Service)})`),
	);
	return `the stack does not come up: ${told.join(', ') || composeSays}`;
}

/** The answer itself, and not the engine's health check, which looks only every few seconds. */
async function untilWell({ name, look }: Part): Promise<void> {
	const deadline = Date.now() + HEALTH_TIMEOUT_MS;
	for (let why = await look(); why !== undefined; why = await look()) {
		if (Date.now() > deadline) throw new UsageError(`${name} was started and is not well: ${why}; docker compose logs ${name} says more`);
		await wait(HEALTH_INTERVAL_MS);
	}
}

/** A stack that somebody put up may hold something dear: this run would take it down with its volumes. */
function demandNoStack(psOutput: string): void {
	const containers = containersOf(psOutput);
	if (containers.length === 0) return;
	const down = containers.filter(({ State }) => State !== 'running').map(({ Service, State }) => `${Service} is ${State}`);
	const how = down.length === 0 ? `with ${containers.length} services up` : `half up: ${down.join(', ')}`;
	throw new UsageError(`a compose stack is already there, ${how}; take it down first, with its data: docker compose down -v`);
}

async function demandFreePorts(): Promise<void> {
	for (const [name, port] of [...Object.entries(DEFAULT_PORTS), ['postgres', POSTGRES_PORT]] as [string, number][]) {
		if (await isFree(port)) continue;
		const owner = await ownerOf(port);
		throw new UsageError(`port ${port} (${name}) is in use${owner === undefined ? '' : ` by ${owner}`}; stop that first`);
	}
}
