/** The store as every ledger sees it: one small interface, two drivers (`pg.ts`, `pglite.ts`), one contract suite that both run. */

/** A parameter of a statement. Objects go in as JSON text by the caller's own `JSON.stringify`. */
export type SqlParameter =
	| string
	| number
	| bigint
	| boolean
	| null
	| Uint8Array
	| readonly string[]
	| readonly number[]
	| readonly Uint8Array[];

export type SqlRow = Record<string, unknown>;

/** The statements of one connection or transaction. */
export interface SqlExecutor {
	/**
	 * Runs one statement with `$1…` parameters and returns its rows. With a parameter list, also an empty one, a repeated text is prepared once
	 * per connection; without, the text goes as it is and may hold several statements (the rows are those of the last).
	 * Types as they come back: int8 → number where safe, else bigint; timestamptz → number (ms since the epoch); bytea → Uint8Array; json and jsonb → parsed; numeric → string; date and timestamp without time zone → string; arrays of these alike.
	 * @throws {StoreUnavailable} the database can't be reached or went away; whether the statement took effect is then unknown.
	 * @throws {StatementFailed} the database refused the statement (`sqlState` says why).
	 */
	query<Row extends SqlRow = SqlRow>(text: string, parameters?: readonly SqlParameter[]): Promise<Row[]>;
}

export interface Sql extends SqlExecutor {
	readonly driver: 'pg' | 'pglite';
	/**
	 * Runs `work` in one transaction (read committed): everything it did holds when the promise resolves, nothing when it rejects, except that after
	 * {StoreUnavailable} nobody knows. Inside `work` use `tx` alone: the embedded database has one connection, and `this` would wait for itself.
	 */
	transaction<T>(work: (tx: SqlExecutor) => Promise<T>): Promise<T>;
	/** Calls `onPayload` for each NOTIFY on the channel, also after a reconnect (then once with an empty payload: something may have been missed). Returns how to stop. */
	listen(channel: string, onPayload: (payload: string) => void): Promise<() => Promise<void>>;
	/** Milliseconds on the database's clock, as this process knows it: measured at open and with every lease renewal. Never blocks. */
	nowMs(): number;
	/** Nothing runs on the store afterwards. */
	close(): Promise<void>;
}

/** A `Sql` as the store itself opens it: whoever renews the lease also keeps the clock. */
export interface Store extends Sql {
	/** Measures the offset to the database's clock: one round trip. @throws {StoreUnavailable} */
	syncClock(): Promise<void>;
}

export class StoreUnavailable extends Error {
	override readonly name = 'StoreUnavailable';
}

export class StatementFailed extends Error {
	override readonly name = 'StatementFailed';
	readonly sqlState: string;
	constructor(message: string, sqlState: string, options?: ErrorOptions) {
		super(message, options);
		this.sqlState = sqlState;
	}
}
