import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Listens on a free port of the loopback address, says where on the first line, and ends at SIGTERM. */
export function listenAndSay(server: Server, path: string): void {
	// Connections wait for their turn, before their first request too.
	Object.assign(server, { keepAliveTimeout: 600_000, headersTimeout: 0, requestTimeout: 0 });
	server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`));
	process.once('SIGTERM', () => process.exit(0));
}
