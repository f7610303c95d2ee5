import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Ports } from './services.ts';

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

/** Who listens on a port: "node (pid 123)". Undefined where the system does not tell. */
export async function ownerOf(port: number): Promise<string | undefined> {
	const hex = port.toString(16).toUpperCase().padStart(4, '0');
	const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')));
	const LISTEN = '0A';
	const inodes = tables
		.flatMap((table) => table.split('\n').slice(1))
		.map((line) => line.trim().split(/\s+/))
		.filter((columns) => columns[1]?.endsWith(`:${hex}`) && columns[3] === LISTEN)
		.map((columns) => `socket:[${columns[9]}]`);
	if (inodes.length === 0) return undefined;
	for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
		const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
		for (const descriptor of descriptors) {
			const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
			if (inodes.includes(target)) return `${(await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'a process')).trim()} (pid ${pid})`;
		}
	}
	return undefined;
}
