import type { Sql, Store } from '../src/store/sql.ts';
import { StoreUnavailable } from '../src/store/sql.ts';

/** One store on a migrated database, lent to one test after the other. */
export class SharedStore {
	readonly #store: Store;
	/** The tables the migrations made, `migrations` itself apart: all empty. */
	readonly #tables: readonly string[];
	readonly #views = new Set<View>();

	private constructor(store: Store, tables: readonly string[]) {
		this.#store = store;
		this.#tables = tables;
	}

	/** @throws {Error} when a migration left rows: emptying would lose them */
	static async over(store: Store): Promise<SharedStore> {
		const tables = await tablesOf(store);
		for (const table of tables) {
			const rows = await store.query(`SELECT FROM ${table} LIMIT 1`);
			if (rows.length > 0) throw new Error(`a migration fills the table ${table}: tests that empty it would lose that`);
		}
		return new SharedStore(store, tables);
	}

	/** Another store on the same database, as a replica would have one. */
	view(): Store {
		const view = new View(this.#store);
		this.#views.add(view);
		return view;
	}

	/** As the migrations left it, for the next test. */
	async empty(): Promise<void> {
		for (const view of this.#views) await view.close();
		this.#views.clear();
		const foreign = (await tablesOf(this.#store)).filter((table) => !this.#tables.includes(table));
		if (foreign.length > 0) await this.#store.query(`DROP TABLE ${foreign.join()} CASCADE`);
		await this.#store.query(`TRUNCATE ${this.#tables.join()} RESTART IDENTITY CASCADE`);
	}
}

async function tablesOf(sql: Sql): Promise<string[]> {
	const rows = await sql.query<{ name: string }>(
		`SELECT quote_ident(c.relname) AS name FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'migrations' ORDER BY 1`,
	);
	return rows.map(({ name }) => name);
}

/** What one test holds of the shared store: closing it ends the listeners and timers' access, not the store. */
class View implements Store {
	readonly driver: Store['driver'];
	readonly #store: Store;
	readonly #stops = new Set<() => Promise<void>>();
	#isClosed = false;

	constructor(store: Store) {
		this.#store = store;
		this.driver = store.driver;
	}

	query: Store['query'] = async (text, parameters) => this.#open().query(text, parameters);
	transaction: Store['transaction'] = async (work) => this.#open().transaction(work);
	syncClock: Store['syncClock'] = async () => this.#open().syncClock();
	nowMs: Store['nowMs'] = () => this.#store.nowMs();

	listen: Store['listen'] = async (channel, onPayload) => {
		const unlisten = await this.#open().listen(channel, onPayload);
		const stop = async () => {
			if (this.#stops.delete(stop)) await unlisten();
		};
		this.#stops.add(stop);
		return stop;
	};

	async close(): Promise<void> {
		this.#isClosed = true;
		for (const stop of this.#stops) await stop();
	}

	#open(): Store {
		if (this.#isClosed) throw new StoreUnavailable('the store is closed');
		return this.#store;
	}
}
