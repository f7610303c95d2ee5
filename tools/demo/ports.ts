import { createServer } from 'node:net';
import type { Ports } from './services.ts';

// oxlint-disable-next-line no-restricted-imports -- this asks the system, not the gateway
export { ownerOf } from '../../gateway/src/http/port-owner.ts';

/** True when nothing listens on the port of the loopback address. */
export function isFree(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const probe = createServer();
		probe.once('error', () => resolve(false));
		probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
	});
}

/** Six ports that were free a moment ago. */
export async function freePorts(): Promise<Ports> {
	const servers = await Promise.all(
		Array.from(
			{ length: 6 },
			() =>
				new Promise<ReturnType<typeof createServer>>((resolve) => {
					const server = createServer().listen({ host: '127.0.0.1', port: 0 }, () => resolve(server));
				}),
		),
	);
	const [localstripe, mcp, lark, gateway, people, trigger] = servers.map((server) => (server.address() as { port: number }).port) as [
		number,
		number,
		number,
		number,
		number,
		number,
	];
	await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
	return { localstripe, 'localstripe-mcp': mcp, 'mock-lark': lark, gateway, people, 'eval-trigger': trigger };
}
