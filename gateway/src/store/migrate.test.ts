import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { eachStore } from '../../test/stores.ts';
import { migrate, readMigrations, type Migration } from './migrate.ts';
import type { Sql } from './sql.ts';

const own = readMigrations();
const step = (id: number, name: string, text: string): Migration => ({ id, name, text, digest: `digest of ${text}` });
const beyond = (text: string, name = '9000-beyond') => [...own, step(9000, name, text)];
const hasTable = async (sql: Sql, name: string) =>
	(await sql.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [name]))[0]?.there;

t.test('the program has its migrations in order, each under a number of its own', async (t) => {
	t.equal(own[0]?.name, '0001-processes');
	t.same(
		own.map(({ id }) => id),
		[...new Set(own.map(({ id }) => id))].sort((a, b) => a - b),
	);

	const folder = mkdtempSync(join(tmpdir(), 'toolgate-migrations-'));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const url = pathToFileURL(`${folder}/`);
	writeFileSync(join(folder, '0001-a.sql'), 'SELECT 1;\r\n');
	t.match(readMigrations(url), [{ id: 1, name: '0001-a', text: 'SELECT 1;\n' }], 'line ends of a checkout do not change a digest');
	writeFileSync(join(folder, '0001-b.sql'), '');
	t.throws(() => readMigrations(url), /0001-a: another migration has the number 1/);
	writeFileSync(join(folder, 'notes.txt'), '');
	t.throws(() => readMigrations(url), /notes\.txt: a migration is named NNNN-name\.sql/);
});

t.test('migrations', (t) =>
	eachStore(t, async (t, database) => {
		const sql = await database.open();
		const other = await database.open();

		t.same(await migrate(sql), [], 'a database that is up to date is left alone');

		const steps = beyond('CREATE TABLE made_once (id int); SELECT pg_sleep(0.05)');
		const done = await Promise.all([migrate(sql, steps), migrate(other, steps), migrate(sql, steps)]);
		t.same(done.flat(), ['9000-beyond'], 'of replicas that start at once, one applies a step');
		t.ok(await hasTable(sql, 'made_once'));

		await t.rejects(migrate(sql), {
			code: 'DATABASE_NEWER',
			message: `the database is newer than this program: it has migration 9000-beyond, the program ends at ${own.at(-1)?.name}`,
		});
		await t.rejects(migrate(sql, beyond('CREATE TABLE another ()')), {
			code: 'DATABASE_NEWER',
			message: /^the database was made by another version: its migration 9000-beyond /,
		});
		t.notOk(await hasTable(sql, 'another'));

		const broken = [...steps, step(9001, '9001-broken', 'CREATE TABLE half (); SELECT 1 / 0')];
		await t.rejects(migrate(sql, broken), { name: 'StatementFailed', sqlState: '22012' });
		t.notOk(await hasTable(sql, 'half'), 'a step that fails leaves nothing');
		t.same(await migrate(sql, [...steps, step(9001, '9001-mended', 'CREATE TABLE half ()')]), ['9001-mended']);
	}),
);
