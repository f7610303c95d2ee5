import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPg } from '../../src/store/pg.ts';
import { startPostgres } from '../../test/postgres.ts';
import { echoAgent, mcpAgent, type OpenAgent } from '../agents.ts';
import { type ServerProcess, startServer } from '../server-process.ts';
import { compilePolicy } from './policy.ts';

/** What is measured, from the least to the most. */
export const CONTESTANTS = {
	upstream: { says: 'the mock upstream itself' },
	echo: { says: 'node:http, every body sent back' },
	floor: { says: 'bare proxy: undici, JSON parsed and serialised both ways' },
	policy: { says: 'gateway that records nothing', goal: 1.6 },
	recorded: { says: 'gateway, durable record on PostgreSQL', goal: 2.5 },
	budget: { says: '+ one budget per call', goal: 3.5 },
	embedded: { says: 'the same on the embedded database', goal: 5 },
} as const satisfies Record<string, { says: string /** CPU time per call, × floor. */; goal?: number }>;

export type ContestantName = keyof typeof CONTESTANTS;

export interface Contestant {
	readonly name: ContestantName;
	readonly server: ServerProcess;
	readonly openAgent: OpenAgent;
}

const moduleOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Starts those that are named, behind one upstream. They end with `stack`. */
export async function startContestants(names: readonly ContestantName[], stack: AsyncDisposableStack): Promise<Contestant[]> {
	const start = async (...options: Parameters<typeof startServer>): Promise<ServerProcess> => {
		const server = await startServer(...options);
		stack.defer(() => server.stop());
		return server;
	};
	const folder = await mkdtemp(join(tmpdir(), 'toolgate-bench-'));
	stack.defer(() => rm(folder, { recursive: true }));
	const upstream = await start({ module: moduleOf('../mock-upstream.ts'), isMeasured: false });

	const bundle = once(() => compilePolicy(folder));
	const databases = once(async () => {
		const server = await startPostgres({ isDurable: true });
		stack.defer(() => server.stop());
		return server;
	});
	const dsnOf = async (database: string): Promise<string> => {
		const server = await databases();
		const admin = await openPg(server.dsn);
		await admin.query(`CREATE DATABASE ${database}`);
		await admin.close();
		return server.dsnOf(database);
	};
	const gateway = async (name: string, dsn: string, ...variant: string[]): Promise<ServerProcess> => {
		const own = join(folder, name);
		await mkdir(own);
		const config = {
			upstreams: { mock: { url: upstream.url } },
			policy: { bundle: await bundle() },
			listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' },
			dataDir: 'data',
			store: { dsn },
			log: { level: 'warn' },
		};
		// JSON is YAML too.
		const file = join(own, 'toolgate.yaml');
		await writeFile(file, JSON.stringify(config));
		return start({ module: moduleOf('gateway.ts'), args: [file, ...variant], isMeasured: true });
	};
	const recorded = once(async () => gateway('recorded', await dsnOf('recorded')));

	const mcp = (server: ServerProcess, tool = 'echo') => ({ server, openAgent: (n: number) => mcpAgent(server.url, tool, n) });
	const starters: Record<ContestantName, () => Promise<Omit<Contestant, 'name'>>> = {
		upstream: async () => mcp(upstream),
		echo: async () => {
			const server = await start({ module: moduleOf('echo.ts'), isMeasured: true });
			return { server, openAgent: (n) => echoAgent(server.url, n) };
		},
		floor: async () => mcp(await start({ module: moduleOf('floor.ts'), args: [upstream.url], isMeasured: true })),
		policy: async () => mcp(await gateway('policy', await dsnOf('policy'), 'unrecorded')),
		recorded: async () => mcp(await recorded()),
		budget: async () => mcp(await recorded(), 'echo_on_budget'),
		embedded: async () => mcp(await gateway('embedded', ''), 'echo_on_budget'),
	};
	const contestants: Contestant[] = [];
	for (const name of names) contestants.push({ name, ...(await starters[name]()) });
	return contestants;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
	let made: Promise<T> | undefined;
	return () => (made ??= make());
}
