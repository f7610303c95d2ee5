import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ToolGateError } from '../errors.ts';
import { StoreUnavailable } from './sql.ts';

/** The data folder while this process owns it. */
export interface DataFolder {
	/** Where the embedded database lives. */
	readonly databaseFolder: string;
	/** Lets go of the folder. */
	close(): Promise<void>;
}

/** Who owns a data folder, as told to whoever wants it too. */
interface Owner {
	readonly pid: number;
	readonly command: string;
	/** ISO 8601. */
	readonly since: string;
	readonly host: string;
}

const SQLITE_BUSY = 5;

/**
 * Makes the folder (mode 0700) where there is none, and takes it for this process alone: two writers destroy an embedded database.
 *
 * The lock is the one SQLite holds on an empty file during `BEGIN IMMEDIATE`, because Node has no file locks of its own. The operating system keeps it
 * and drops it when the process ends, however it ends, so that nothing can be stale and no process id is ever compared. It also works between
 * containers that share the folder on one machine. `owner.json` beside it is only for the message.
 * @throws {ToolGateError} DATA_FOLDER_IN_USE, naming the owner
 * @throws {StoreUnavailable} the folder can't be made or written
 */
export async function openDataFolder(folder: string, command: string): Promise<DataFolder> {
	await makeFolder(folder);
	const release = lock(join(folder, 'lock'));
	const ownerFile = join(folder, 'owner.json');
	if (release === undefined) {
		throw new ToolGateError(
			'DATA_FOLDER_IN_USE',
			`data folder ${folder} is in use by ${describe(await readFile(ownerFile, 'utf8').catch(() => ''))}`,
		);
	}
	const owner: Owner = { pid: process.pid, command, since: new Date().toISOString(), host: hostname() };
	await writeFile(ownerFile, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
	return {
		databaseFolder: join(folder, 'database'),
		async close() {
			await rm(ownerFile, { force: true });
			release();
		},
	};
}

/**
 * The operator token of the folder, made at its first use (file `operator.token`, mode 0600). Several processes may ask at once.
 * @throws {StoreUnavailable} the folder can't be made or written
 */
export async function operatorToken(folder: string): Promise<string> {
	await makeFolder(folder);
	const file = join(folder, 'operator.token');
	try {
		await writeFile(file, `tgo_${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
	} catch (cause) {
		if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(file, cause);
	}
	const token = (await readFile(file, 'utf8')).trim();
	if (token === '') throw new StoreUnavailable(`${file} is empty; delete it, and a new token is made`);
	return token;
}

async function makeFolder(folder: string): Promise<void> {
	await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
		throw unwritable(folder, cause);
	});
}

/** How to release the lock, or undefined when another process, or this one, holds it. */
function lock(file: string): (() => void) | undefined {
	let database: DatabaseSync | undefined;
	try {
		database = new DatabaseSync(file, { timeout: 0 });
		database.exec('BEGIN IMMEDIATE');
	} catch (cause) {
		database?.close();
		if ((cause as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
		throw unwritable(file, cause);
	}
	return () => database.close();
}

function describe(ownerText: string): string {
	try {
		const { pid, command, since, host } = JSON.parse(ownerText) as Owner;
		return `process ${pid} (${command}, since ${since}${host === hostname() ? '' : `, on ${host}`})`;
	} catch {
		return 'another process';
	}
}

const unwritable = (path: string, cause: unknown): StoreUnavailable =>
	new StoreUnavailable(`${path} can't be written (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`, { cause });
