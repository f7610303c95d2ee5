import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Agent, openAgent } from '../test/agent.ts';
import { until } from '../test/until.ts';

/** A whole gateway as a process of its own, which ends with this one. */
export interface GatewayProcess {
	readonly process: ChildProcess;
	readonly mcpUrl: string;
	readonly peopleUrl: string;
	end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

const ROOT = join(import.meta.dirname, '../..');
const DIE_WITH_PARENT = new URL('../../tools/demo/die-with-parent.ts', import.meta.url).href;

/**
 * Starts one on free ports with the default policy, and waits until it listens.
 * @param name of its files in `folder`
 * @param settings keys of `toolgate.yaml`
 * @throws {Error} it ended before it listened
 */
export async function startGateway(folder: string, name: string, settings: Readonly<Record<string, unknown>>): Promise<GatewayProcess> {
	const config = join(folder, `${name}.yaml`);
	const whole = {
		policy: { bundle: join(ROOT, 'bundles/toolgate.tar.gz') },
		dataDir: join(folder, name),
		listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' },
		log: { level: 'error' },
		...settings,
	};
	writeFileSync(config, JSON.stringify(whole));
	const child = spawn(process.execPath, ['--import', DIE_WITH_PARENT, join(ROOT, 'gateway/src/cli.ts'), 'serve', '--config', config], {
		stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
	});
	for await (const line of createInterface({ input: child.stdout! })) {
		const [, mcpUrl, peopleUrl] = /(http:\/\/[\d.:]+\/mcp) and people at (http:\/\/[\d.:]+)/.exec(line) ?? [];
		if (mcpUrl === undefined || peopleUrl === undefined) continue;
		child.stdout!.resume();
		const end: GatewayProcess['end'] = async (signal = 'SIGTERM') => {
			if (child.exitCode !== null || child.signalCode !== null) return;
			const ended = once(child, 'exit');
			child.kill(signal);
			await ended;
		};
		return { process: child, mcpUrl, peopleUrl, end };
	}
	throw new Error('a gateway ended before it listened');
}

/** An agent of the gateway, as soon as it can see the tool: a gateway listens before its upstreams have said what they offer. */
export const agentWith = ({ mcpUrl }: GatewayProcess, tool: string, headers: Readonly<Record<string, string>> = {}): Promise<Agent> =>
	until(`the tool ${tool}`, async () => {
		const agent = await openAgent(mcpUrl, headers).catch(() => undefined);
		return agent !== undefined && (await agent.list()).includes(tool) && agent;
	});
