import { openPg } from '../src/store/pg.ts';
import type { TestPostgres } from '../test/postgres.ts';

/** An empty database on the server; returns its DSN. */
export async function databaseOn({ dsn, dsnOf }: TestPostgres, name: string): Promise<string> {
	const admin = await openPg(dsn);
	await admin.query(`CREATE DATABASE ${name}`);
	await admin.close();
	return dsnOf(name);
}
