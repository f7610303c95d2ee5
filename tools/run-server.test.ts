import t from 'tap';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { readSettings } from './run-server.ts';

const settings = { mode: { env: 'MODE', default: 'approve', describe: 'what to do', oneOf: ['approve', 'reject'] } };

t.test('a flag wins over the environment, and that over the default', async (t) => {
	t.match(readSettings(1234, settings, [], {}), { port: 1234, host: '127.0.0.1', mode: 'approve' });
	t.match(readSettings(1234, settings, [], { PORT: '8', MODE: '' }), { port: 8, mode: 'approve' });
	t.match(readSettings(1234, settings, ['--port', '9', '--mode=reject'], { PORT: '8' }), { port: 9, mode: 'reject' });
});

t.test('a bad setting is named in one line', async (t) => {
	const read =
		(argv: string[], env = {}) =>
		() =>
			readSettings(1234, settings, argv, env);
	t.throws(read(['--port', 'x']), { message: 'the port is "x", expected a number from 0 to 65535' });
	t.throws(read([], { PORT: '70000' }), { message: /70000/ });
	t.throws(read(['--mode', 'maybe']), { message: '--mode is "maybe", expected one of approve, reject' });
	t.throws(read([], { MODE: 'maybe' }), { message: 'MODE is "maybe", expected one of approve, reject' });
	t.throws(read(['--prot', '1']), { message: "Unknown option '--prot'" });
});

for (const name of ['localstripe', 'localstripe-mcp', 'mock-lark', 'eval-trigger']) {
	t.test(`${name} says where it listens, is healthy, stops on SIGTERM, and names a port in use`, async (t) => {
		const main = `${import.meta.dirname}/${name}/main.ts`;
		const child = spawn(process.execPath, [main, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
		t.teardown(() => child.kill('SIGKILL'));
		const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
		const url = /listens on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1];
		t.ok(url, line);
		t.strictSame(await (await fetch(`${url}/healthz`)).json(), { ok: true });
		child.kill('SIGTERM');
		t.strictSame(await once(child, 'exit'), [0, null]);

		const taken = createServer().listen(0, '127.0.0.1');
		t.teardown(() => taken.close());
		await once(taken, 'listening');
		const { port } = taken.address() as AddressInfo;
		const second = spawn(process.execPath, [main, '--port', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
		let stderr = '';
		second.stderr.on('data', (chunk) => {
			stderr += chunk;
		});
		t.strictSame(await once(second, 'close'), [2, null]);
		t.equal(
			stderr,
			`${name}: port ${port} on 127.0.0.1 is in use; stop the program that has it, or choose another with --port (or PORT)\n`,
		);
	});
}
