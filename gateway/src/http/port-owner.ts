import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';

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
			if (inodes.includes(target)) return `${await programOf(pid)} (pid ${pid})`;
		}
	}
	return undefined;
}

/** Its program alone: arguments may be secret. */
async function programOf(pid: string): Promise<string> {
	const [program = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
	return basename(program.trim()) || 'a process';
}
