import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { ToolGateError } from '../errors.ts';
import type { Sql, SqlExecutor } from './sql.ts';

/** One step of the schema: `migrations/NNNN-name.sql`. Once released it never changes; what must change is another step. */
export interface Migration {
	readonly id: number;
	/** `NNNN-name`. */
	readonly name: string;
	readonly text: string;
	/** SHA-256 of the text, hex. */
	readonly digest: string;
}

interface Applied {
	[column: string]: unknown;
	id: number;
	name: string;
	digest: string;
}

const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** Of the advisory lock that lets one process at a time migrate: "toolgate" in ASCII, as an int8. */
const LOCK = 0x746f6f6c67617465n;
const TIMEOUT = '25s';

/** The program's own migrations, in order. @throws {Error} when a file is misnamed, or two bear one number. */
export function readMigrations(folder: URL = new URL('./migrations/', import.meta.url)): readonly Migration[] {
	const migrations = readdirSync(folder)
		.sort()
		.map((file) => {
			const number = FILE_NAME.exec(file)?.[1];
			if (number === undefined) throw new Error(`${file}: a migration is named NNNN-name.sql`);
			const text = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
			return { id: Number(number), name: file.slice(0, -'.sql'.length), text, digest: createHash('sha256').update(text).digest('hex') };
		});
	migrations.forEach(({ id, name }, index) => {
		if (migrations[index + 1]?.id === id) throw new Error(`${name}: another migration has the number ${id}`);
	});
	return migrations;
}

/**
 * Brings the database to the program's schema, each step in a transaction of its own. Several processes may do so at once. Returns the names of the
 * steps that this call applied.
 * @throws {ToolGateError} DATABASE_NEWER: the database has a step that the program doesn't know, or knows otherwise.
 */
export async function migrate(sql: Sql, migrations: readonly Migration[] = readMigrations()): Promise<string[]> {
	const done: string[] = [];
	for (;;) {
		// Looked up anew for each step, under the lock: another process may have made the step in the meantime.
		const step = await sql.transaction((tx) => applyNext(tx, migrations));
		if (step === undefined) return done;
		done.push(step);
	}
}

async function applyNext(tx: SqlExecutor, migrations: readonly Migration[]): Promise<string | undefined> {
	await tx.query(`SET LOCAL statement_timeout = '${TIMEOUT}'`);
	await tx.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
	await tx.query(`CREATE TABLE IF NOT EXISTS migrations (
		id int PRIMARY KEY, name text NOT NULL, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
	)`);
	const applied = await tx.query<Applied>('SELECT id, name, digest FROM migrations ORDER BY id', []);
	refuseForeign(applied, migrations);
	const next = migrations[applied.length];
	if (next === undefined) return undefined;
	await tx.query(next.text);
	await tx.query('INSERT INTO migrations (id, name, digest) VALUES ($1, $2, $3)', [next.id, next.name, next.digest]);
	return next.name;
}

/** What the database has must be the beginning of what the program has. */
function refuseForeign(applied: readonly Applied[], migrations: readonly Migration[]): void {
	const newest = applied.at(-1)?.name;
	for (const [index, { name, digest }] of applied.entries()) {
		const own = migrations[index];
		if (own === undefined) {
			throw new ToolGateError(
				'DATABASE_NEWER',
				`the database is newer than this program: it has migration ${newest}, the program ends at ${migrations.at(-1)?.name}`,
			);
		}
		if (own.name !== name || own.digest !== digest) {
			throw new ToolGateError(
				'DATABASE_NEWER',
				`the database was made by another version: its migration ${name} is not the ${own.name} of this program; use a new database, or the program that made it`,
			);
		}
	}
}
