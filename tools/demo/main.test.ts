import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { DEFAULT_PORTS } from './services.ts';

const start = (...args: string[]) =>
	spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { env: { PATH: process.env['PATH'] }, encoding: 'utf8' });

t.test('a port in use is told at once, with who has it and how to choose another, and nothing is made', async (t) => {
	// Where an offset can move the gateway's port to.
	let server = createServer();
	let port = 0;
	while (port <= DEFAULT_PORTS.gateway || port > DEFAULT_PORTS.gateway + 40_000) {
		server.close();
		server = createServer();
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		({ port } = server.address() as { port: number });
	}
	t.teardown(() => server.close());
	const dataDir = join(t.testdir(), 'data');
	const { status, stderr } = start('--port-offset', String(port - DEFAULT_PORTS.gateway), '--data-dir', dataDir);
	t.equal(status, 2);
	t.match(stderr, new RegExp(`^port ${port} \\(gateway\\) is in use by \\S+ \\(pid ${process.pid}\\)$`, 'm'));
	t.match(stderr, /^Stop that, or choose other ports: npm start -- --port-offset 1000 --data-dir \.toolgate-2$/m);
	t.notOk(existsSync(dataDir));
});

t.test('a wrong option is one line', (t) => {
	const says = (...args: string[]) => {
		const { status, stderr } = start(...args);
		t.equal(status, 2);
		return stderr;
	};
	t.match(says('--port-ofset', '1'), /^Unknown option '--port-ofset'; usage: npm start -- [^\n]*\n$/);
	t.equal(says('--port-offset', 'x'), '--port-offset: expected a whole number from 0 to 40000\n');
	t.end();
});
