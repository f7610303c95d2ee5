import { openDataFolder } from './data-folder.ts';
import { migrate } from './migrate.ts';
import { openPg } from './pg.ts';
import { openPglite } from './pglite.ts';
import type { Store } from './sql.ts';

export interface StoreSettings {
	/** A PostgreSQL URL; empty for the embedded database. */
	readonly dsn: string;
	/** Of the embedded database, which only one process may use at a time. */
	readonly dataDir: string;
	/** What runs here, told to whoever wants the same data folder: `toolgate serve`. */
	readonly command?: string;
}

/**
 * Opens the database and brings it to the program's schema. Closing the store also lets go of the data folder.
 * @throws {StoreUnavailable} it can't be reached, made or opened; names it, never its password
 * @throws {ToolGateError} DATA_FOLDER_IN_USE, DATABASE_NEWER
 */
export async function openStore({ dsn, dataDir, command = 'toolgate' }: StoreSettings): Promise<Store> {
	const store = dsn === '' ? await openEmbedded(dataDir, command) : await openPg(dsn);
	try {
		await migrate(store);
	} catch (error) {
		await store.close();
		throw error;
	}
	return store;
}

async function openEmbedded(dataDir: string, command: string): Promise<Store> {
	const folder = await openDataFolder(dataDir, command);
	return openPglite(folder.databaseFolder, () => folder.close());
}
