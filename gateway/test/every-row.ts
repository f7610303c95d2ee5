import type { Sql } from '../src/store/sql.ts';

/** Every row of every table as text, for looking for what must not be there; bytes as they would read. */
export async function everyRow(sql: Sql): Promise<string> {
	const tables = await sql.query<{ name: string }>(
		"SELECT quote_ident(relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
	);
	const rows = await Promise.all(tables.map(({ name }) => sql.query(`SELECT * FROM ${name}`)));
	return JSON.stringify(rows, (_key, value: unknown) =>
		value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : typeof value === 'bigint' ? String(value) : value,
	);
}
