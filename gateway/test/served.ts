import { createServer, type AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { OPERATOR_TOKEN, people, root, writeConfig } from './build.ts';
import { type CliEnd, type RunningCli, startCli } from './cli.ts';
import { until } from './until.ts';

/** `toolgate serve` as a process of its own. */
export interface Served {
	readonly mcpUrl: string;
	readonly peopleUrl: string;
	readonly configFile: string;
	readonly cli: RunningCli;
	/** What it logs and prints. */
	said(): string;
	ready(): Promise<{ status: number; text: string }>;
	get<T>(path: string): Promise<T>;
	/** Sends the signal and waits for the end. */
	end(signal: 'SIGTERM' | 'SIGKILL'): Promise<CliEnd>;
}

export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address() as AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return port;
}

/** Starts one with the people of the tests and waits until its ports answer, ready or not. @param config keys of `toolgate.yaml` */
export async function serve(t: Test, config: Readonly<Record<string, unknown>>): Promise<Served> {
	const [agents, forPeople] = [await freePort(), await freePort()];
	const configFile = writeConfig(t, {
		policy: { bundle: `${root}/bundles/toolgate.tar.gz` },
		auth: { mode: 'none', default: { principal: 'alice@example.com', agent: 'agent' } },
		people,
		operator: { as: 'bob@example.com', token: OPERATOR_TOKEN },
		listen: { agents: `127.0.0.1:${agents}`, people: `127.0.0.1:${forPeople}` },
		...config,
	});
	return startServe(t, configFile, agents, forPeople);
}

/** The same again, as after a crash. */
export const serveAgain = (t: Test, { configFile, mcpUrl, peopleUrl }: Served): Promise<Served> =>
	startServe(t, configFile, Number(new URL(mcpUrl).port), Number(new URL(peopleUrl).port));

async function startServe(t: Test, configFile: string, agents: number, forPeople: number): Promise<Served> {
	const cli = startCli(t, ['serve', '--config', configFile]);
	const peopleUrl = `http://127.0.0.1:${forPeople}`;
	const ready = async () => {
		const response = await fetch(`${peopleUrl}/readyz`);
		return { status: response.status, text: await response.text() };
	};
	await until(
		'the gateway to answer',
		async () => {
			if (cli.process.exitCode !== null) throw new Error(`toolgate serve ended: ${cli.said()}`);
			return ready().catch(() => undefined);
		},
		60_000,
	);
	return {
		mcpUrl: `http://127.0.0.1:${agents}/mcp`,
		peopleUrl,
		configFile,
		cli,
		said: cli.said,
		ready,
		get: async <T>(path: string) => (await fetch(peopleUrl + path, { headers: { authorization: `Bearer ${OPERATOR_TOKEN}` } })).json() as T,
		async end(signal) {
			cli.process.kill(signal);
			return cli.end;
		},
	};
}
