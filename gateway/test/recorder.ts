import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/** Stands between the gateway and an upstream, and keeps every byte that the gateway sends. */
export interface Recorder {
	/** The upstream's address, through the recorder. */
	readonly url: string;
	/** All that was sent so far, byte by byte as Latin-1. */
	sent(): string;
}

export async function recorder(t: Test, upstreamUrl: string): Promise<Recorder> {
	const { hostname, port, pathname } = new URL(upstreamUrl);
	const sent: Buffer[] = [];
	const sockets = new Set<Socket>();
	const server = createServer((downstream) => {
		const upstream = connect(Number(port), hostname);
		for (const socket of [downstream, upstream]) {
			sockets.add(socket);
			socket.on('error', () => {}).on('close', () => sockets.delete(socket));
		}
		downstream.on('data', (chunk: Buffer) => sent.push(chunk));
		downstream.pipe(upstream).pipe(downstream);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		for (const socket of sockets) socket.destroy();
		server.close();
	});
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
		sent: () => Buffer.concat(sent).toString('latin1'),
	};
}
