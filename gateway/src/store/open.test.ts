import { createServer, type AddressInfo, type Socket } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startPostgres } from '../../test/postgres.ts';
import { openStore } from './open.ts';

const folder = mkdtempSync(join(tmpdir(), 'toolgate-open-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

t.test('without a DSN the store is in the data folder, migrated, under its lock, and survives', async (t) => {
	const settings = { dsn: '', dataDir: join(folder, 'data'), command: 'toolgate serve' };
	// What a kill in the middle of the first start leaves.
	mkdirSync(join(settings.dataDir, 'database.new'), { recursive: true });
	writeFileSync(join(settings.dataDir, 'database.new', 'PG_VERSION'), '18\n');
	const store = await openStore(settings);
	t.equal(store.driver, 'pglite');
	t.notOk(existsSync(join(settings.dataDir, 'database.new')));
	await store.query("INSERT INTO processes (id, name, lease_until) VALUES ('a', 'b', now())");
	await t.rejects(openStore(settings), { code: 'DATA_FOLDER_IN_USE' });
	await store.close();
	const again = await openStore(settings);
	t.same(await again.query('SELECT id FROM processes'), [{ id: 'a' }]);
	await again.close();
});

t.test('an embedded database that can not be opened is named, and its folder let go', async (t) => {
	const dataDir = join(folder, 'spoilt');
	mkdirSync(join(dataDir, 'database'), { recursive: true });
	writeFileSync(join(dataDir, 'database', 'PG_VERSION'), '11\n');
	for (const attempt of ['first', 'second']) {
		await t.rejects(
			openStore({ dsn: '', dataDir }),
			{ name: 'StoreUnavailable', message: new RegExp(`^embedded database in ${dataDir}/database: `) },
			attempt,
		);
	}
});

t.test('with a DSN the store is on that server', async (t) => {
	const server = await startPostgres();
	const store = await openStore({ dsn: server.dsn, dataDir: join(folder, 'unused') });
	t.equal(store.driver, 'pg');
	t.same(await store.query('SELECT count(*) AS n FROM processes', []), [{ n: 0 }]);
	t.notOk(existsSync(join(folder, 'unused')));

	await t.rejects(openStore({ dsn: server.dsnOf('nowhere'), dataDir: folder }), {
		name: 'StoreUnavailable',
		message: /^PostgreSQL at socket .*, database "nowhere": database "nowhere" does not exist$/,
	});

	await server.restart();
	await store.query('SELECT 1').catch(() => {});
	t.same(await store.query('SELECT count(*) AS n FROM processes', []), [{ n: 0 }], 'it goes on after the server was restarted');

	await server.stop();
	await t.rejects(store.query('SELECT 1'), { name: 'StoreUnavailable' });
	await t.rejects(store.query('SELECT 1'), { name: 'StoreUnavailable' });
	await server.restart();
	t.same(await store.query('SELECT 1 AS one'), [{ one: 1 }]);
	await store.close();
});

t.test('a DSN that leads nowhere is named by host, port and database, never with its password', async (t) => {
	const sockets = new Set<Socket>();
	const silent = createServer((socket) => sockets.add(socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))));
	await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
	const { port } = silent.address() as AddressInfo;
	const dsn = `postgres://gateway:s3cret@127.0.0.1:${port}/gateway`;
	const messageOf = (given: string) =>
		openStore({ dsn: given, dataDir: folder }).then(
			() => 'opened',
			(error: Error) => `${error.name}: ${error.message}`,
		);

	const prefix = `StoreUnavailable: PostgreSQL at 127.0.0.1:${port}, database "gateway": `;
	const notPostgres = await messageOf(dsn);
	t.ok(notPostgres.startsWith(prefix), notPostgres);
	for (const socket of sockets) socket.destroy();
	await new Promise((resolve) => silent.close(resolve));
	const refused = await messageOf(dsn);
	t.equal(refused, `${prefix}connect ECONNREFUSED 127.0.0.1:${port}`);

	for (const malformed of ['postgres://gateway:s3cret@[::1/gateway', 'postgres://gateway:s3cret@host:port/gateway']) {
		const said = await messageOf(malformed);
		t.equal(said, 'StoreUnavailable: the DSN is not a URL of the form postgres://user:password@host:port/database');
	}
	for (const said of [notPostgres, refused]) t.notMatch(said, /s3cret/);
});
