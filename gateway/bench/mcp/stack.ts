import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compilePolicy } from '../main/policy.ts';
import { type ServerProcess, startServer } from '../server-process.ts';

/** What the parts of this section run against. */
export interface McpStack {
	/** Of the mock upstream; `?tools=N` may follow. */
	readonly upstreamUrl: string;
	/** Starts a gateway that records nothing, before these upstreams by name. It ends with the stack, or before. */
	gateway(upstreams: Readonly<Record<string, string>>): Promise<ServerProcess>;
}

const moduleOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export async function startStack(stack: AsyncDisposableStack): Promise<McpStack> {
	const folder = await mkdtemp(join(tmpdir(), 'toolgate-bench-'));
	stack.defer(() => rm(folder, { recursive: true, force: true }));
	const bundle = await compilePolicy(folder, moduleOf('policy/'));
	const upstream = await startServer({ module: moduleOf('upstream.ts'), isMeasured: false });
	stack.defer(() => upstream.stop());
	return {
		upstreamUrl: upstream.url,
		async gateway(upstreams) {
			const own = await mkdtemp(join(folder, 'gateway-'));
			const file = join(own, 'toolgate.yaml');
			const config = {
				// The eras are known: a look is one list, and nothing else.
				upstreams: Object.fromEntries(
					Object.entries(upstreams).map(([name, url]) => [name, { url, era: 'legacy', refreshSeconds: 3_600 }]),
				),
				policy: { bundle },
				listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' },
				dataDir: 'data',
				log: { level: 'warn' },
			};
			await writeFile(file, JSON.stringify(config));
			const server = await startServer({ module: moduleOf('../main/gateway.ts'), args: [file, 'unrecorded'], isMeasured: true });
			stack.defer(() => server.stop());
			return server;
		},
	};
}
