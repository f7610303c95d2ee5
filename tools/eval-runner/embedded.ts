import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../demo/ports.ts';
import { root } from '../demo/services.ts';
import { type ServiceStatus, type StackFile, Supervisor } from '../demo/supervisor.ts';
import { type Deployment, type OpenOptions, UsageError } from './deployment.ts';
import { json } from './http.ts';
import { embeddedDatabase, type PartName, partsOf } from './parts.ts';

/** Starting a service includes the wait until it answers. */
const CONTROL_TIMEOUT_MS = 90_000;

/**
 * The stack as child processes: the one that runs in this folder, or else one of our own, on free ports with a data folder of its own.
 * @param isFresh never the one that runs here
 * @throws {UsageError} the one that runs here is half up, or ours does not come up
 */
export async function openEmbedded(options: OpenOptions, isFresh: boolean): Promise<Deployment> {
	const running = isFresh ? undefined : await runningHere();
	if (running === undefined) return startOwn(options);
	options.onProgress('using the stack that runs here');
	const shared = deployment(
		running,
		{ what: 'the stack that runs here', isShared: true, close: async () => undefined },
		options.environment,
	);
	const ill = (await Promise.all(shared.parts.map(async ({ name, look }) => ({ name, why: await look() })))).filter(
		({ why }) => why !== undefined,
	);
	if (ill.length > 0) throw halfUp(ill.map(({ name, why }) => `${name} (${why})`));
	return shared;
}

const halfUp = (missing: readonly string[]): UsageError =>
	new UsageError(
		`the stack that runs here is half up, without ${missing.join(', ')}; stop it with Ctrl-C where it was started, or run with --fresh`,
	);

async function runningHere(): Promise<StackFile | undefined> {
	const file = join(root, '.toolgate', 'supervisor.json');
	if (!existsSync(file)) return undefined;
	const stack = JSON.parse(readFileSync(file, 'utf8')) as StackFile;
	const status = await control<{ services: ServiceStatus[] }>(stack, 'GET', '/services').catch(() => undefined);
	// The file of a stack that was killed; its processes have ended with it.
	if (status === undefined) return undefined;
	const down = status.services.filter(({ state }) => state !== 'up');
	if (down.length > 0) throw halfUp(down.map(({ name, state }) => `${name} (it is ${state})`));
	return stack;
}

async function startOwn({ environment, onProgress, signal }: OpenOptions): Promise<Deployment> {
	const dataDir = mkdtempSync(join(tmpdir(), 'toolgate-eval-'));
	const supervisor = new Supervisor({
		ports: await freePorts(),
		dataDir,
		onProgress: (service, state, tookMs) =>
			onProgress(state === 'up' ? `${service.name} is up (${(tookMs / 1000).toFixed(1)} s)` : `${service.name} starts`),
	});
	const close = async () => {
		await supervisor.stop();
		rmSync(dataDir, { recursive: true, force: true });
	};
	const interrupt = () => void close();
	signal.addEventListener('abort', interrupt);
	try {
		return deployment(await supervisor.start(), { what: 'a stack of its own', isShared: false, close }, environment);
	} catch (error) {
		await close();
		signal.throwIfAborted();
		throw new UsageError((error as Error).message, { cause: error });
	} finally {
		signal.removeEventListener('abort', interrupt);
	}
}

function deployment(stack: StackFile, whose: Pick<Deployment, 'what' | 'isShared' | 'close'>, environment: NodeJS.ProcessEnv): Deployment {
	const act = async (name: PartName, verb: 'stop' | 'start') => {
		await control(stack, 'POST', `/services/${name}/${verb}`);
	};
	return {
		...whose,
		parts: partsOf(stack.services, stack.peopleUrl, embeddedDatabase(`${stack.peopleUrl}/readyz`)),
		urls: stack.services,
		peopleUrl: stack.peopleUrl,
		operatorToken: environment['TOOLGATE_OPERATOR_TOKEN'] || readFileSync(join(stack.dataDir, 'operator.token'), 'utf8').trim(),
		stop: (name) => act(name, 'stop'),
		start: (name) => act(name, 'start'),
	};
}

const control = <T = object>(stack: StackFile, method: string, path: string): Promise<T> =>
	json<T>(stack.controlUrl + path, { method, token: stack.controlToken, timeoutMs: CONTROL_TIMEOUT_MS });
