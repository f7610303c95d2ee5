import fastify from 'fastify';
import { setTimeout as wait } from 'node:timers/promises';
import { buildGateway, type Gateway } from './app.ts';
import { type Config, isLoopback, loadConfig, type LoadedConfig } from './config.ts';
import { ConfigWatch } from './config-watch.ts';
import { PolicyError } from './errors.ts';
import { type AddressNames, demandFree, listen } from './http/listen.ts';
import { createLog, type Logger } from './log.ts';
import { operatorToken } from './store/data-folder.ts';
import { openStore } from './store/open.ts';
import { type Store, StoreUnavailable } from './store/sql.ts';

export interface RunningGateway {
	readonly agentsUrl: string;
	readonly peopleUrl: string;
	/** Makes a one-time link to the console, where people are served on loopback: wider, more people may read it than the operator. */
	readonly signInUrl?: () => Promise<string>;
	/** Drains and lets go of everything. */
	close(): Promise<void>;
}

const AGENTS: AddressNames = { key: 'listen.agents', env: 'TOOLGATE_LISTEN_AGENTS' };
const PEOPLE: AddressNames = { key: 'listen.people', env: 'TOOLGATE_LISTEN_PEOPLE' };
const STORE_RETRY_MS = 1_000;
/** So long the start log waits for upstreams to say what they offer. */
const FIRST_LOOK_MS = 3_000;

/**
 * Opens the store, composes the gateway and listens. While the store can't be reached it waits, and says so on both ports. Aborted, it
 * lets go of what it has opened so far, and rejects.
 * @throws {ToolGateError} what no waiting mends: a port or data folder in use, a configuration that can't work.
 */
export async function startGateway(loaded: LoadedConfig, signal: AbortSignal): Promise<RunningGateway> {
	const { config } = loaded;
	const log = createLog(config.log.level);
	await demandFree(config.listen.agents, AGENTS);
	await demandFree(config.listen.people, PEOPLE);
	const { store, token } = await openWhenThere(config, log, signal);
	const onFault = (error: unknown, callId?: string) => {
		// A policy that can't decide, or a store that is away, is an expected state: the trail and /readyz have it.
		if (error instanceof PolicyError || error instanceof StoreUnavailable) log.warn({ callId }, error.message);
		else log.error({ err: error, callId }, 'unexpected');
	};
	const onNews = (text: string, isProblem = false) => log[isProblem ? 'warn' : 'info'](text);
	let gateway: Gateway;
	let peopleUrl = '';
	try {
		signal.throwIfAborted();
		gateway = await buildGateway(config, {
			store,
			operatorToken: token,
			peopleUrl: () => peopleUrl,
			onFault,
			onNews,
		});
	} catch (error) {
		await store.close();
		throw error;
	}
	try {
		signal.throwIfAborted();
		// People first: the first call may need one, and be told where.
		peopleUrl = await listen(gateway.people, config.listen.people, PEOPLE);
		const agentsUrl = await listen(gateway.agents, config.listen.agents, AGENTS);
		void gateway.firstLook(FIRST_LOOK_MS).then(() => {
			for (const { part, isReady, says } of gateway.readiness()) log[isReady ? 'info' : 'warn'](`${part}: ${says}`);
		});
		const watch = new ConfigWatch({
			loaded,
			load: () => loadConfig(loaded.file),
			apply: (upstreams) => gateway.configureUpstreams(upstreams),
			onNews,
			onFault,
		});
		await watch.start();
		return {
			agentsUrl,
			peopleUrl,
			...(isLoopback(config.listen.people.host) ? { signInUrl: async () => peopleUrl + (await gateway.signInPath()) } : {}),
			async close() {
				await watch.close();
				await gateway.close();
			},
		};
	} catch (error) {
		await gateway.close();
		throw error;
	}
}

interface Opened {
	readonly store: Store;
	readonly token: string;
}

async function openWhenThere(config: Config, log: Logger, signal: AbortSignal): Promise<Opened> {
	const open = async (): Promise<Opened> => {
		// In this order: a store that is open has to be closed again.
		const token = config.operator.token ?? (await operatorToken(config.dataDir));
		return { token, store: await openStore({ dsn: config.store.dsn, dataDir: config.dataDir, command: 'toolgate serve' }) };
	};
	try {
		return await open();
	} catch (error) {
		if (!(error instanceof StoreUnavailable)) throw error;
		log.error(`the store can not be opened: ${error.message}; waiting for it`);
		const stopWaiting = await answerWhileWaiting(config, error.message);
		try {
			for (;;) {
				await wait(STORE_RETRY_MS, undefined, { signal });
				try {
					return await open();
				} catch (again) {
					if (!(again instanceof StoreUnavailable)) throw again;
				}
			}
		} finally {
			await stopWaiting();
		}
	}
}

/** Both ports answer 503 and say why. Returns how to stop. */
async function answerWhileWaiting(config: Config, why: string): Promise<() => Promise<void>> {
	const says = `the store can not be opened: ${why}; no call is served`;
	const apps = [fastify({ forceCloseConnections: true }), fastify({ forceCloseConnections: true })] as const;
	const [agents, people] = apps;
	agents.setNotFoundHandler((_request, reply) =>
		reply
			.code(503)
			.header('retry-after', 1)
			.send({ jsonrpc: '2.0', id: null, error: { code: -32603, message: `ToolGate is not ready: ${says}` } }),
	);
	agents.get('/healthz', async () => ({ ok: true }));
	people.setNotFoundHandler((_request, reply) =>
		reply
			.code(503)
			.header('retry-after', 1)
			.send({ error: { code: 'STORE_UNAVAILABLE', message: says } }),
	);
	people.get('/healthz', async () => ({ ok: true }));
	people.get('/readyz', async (_request, reply) =>
		reply.code(503).send({ isReady: false, parts: [{ part: 'store', isReady: false, isVital: true, says }] }),
	);
	const stop = async () => {
		await Promise.all(apps.map((app) => app.close()));
	};
	try {
		await listen(agents, config.listen.agents, AGENTS);
		await listen(people, config.listen.people, PEOPLE);
	} catch (error) {
		await stop();
		throw error;
	}
	return stop;
}
