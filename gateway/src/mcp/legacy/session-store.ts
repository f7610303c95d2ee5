import type { JsonObject } from '../../domain.ts';
import type { KeptWishes } from '../exchange.ts';
import type { Sql, SqlRow } from '../../store/sql.ts';

/** A session as it outlives its process. */
export interface StoredSession {
	readonly id: string;
	readonly principalId: string;
	readonly upstream: string | undefined;
	/** Parameters of its `initialize`. */
	readonly params: JsonObject;
	/** Capabilities in the answer. */
	readonly offers: JsonObject;
}

export interface FoundSession extends StoredSession {
	/** On the database's clock. */
	readonly createdMs: number;
	readonly wishes: KeptWishes;
}

/** Where sessions are kept for the next start and for other replicas. Every method throws {StoreUnavailable} when that can't be reached. */
export interface SessionStore {
	/** Keeps a new session; where its principal has more than `perPrincipal`, the longest unused ones end. */
	add(session: StoredSession, perPrincipal: number): Promise<void>;
	/** The session, if it is this principal's, on this path, and neither too old nor unused for too long. */
	find(id: string, principalId: string, upstream: string | undefined): Promise<FoundSession | undefined>;
	/** Keeps what the session was granted. */
	setLogLevel(id: string, level: string): Promise<void>;
	addSubscription(id: string, uri: string): Promise<void>;
	removeSubscription(id: string, uri: string): Promise<void>;
	/** These were used just now. */
	used(ids: readonly string[]): Promise<void>;
	/** Ends it, on every replica. */
	end(id: string): Promise<void>;
	/** Forgets what has expired. */
	prune(): Promise<void>;
	/** Calls the listener with the id of each session that ends, also on other replicas. Returns how to stop. */
	onEnd(listener: (id: string) => void): Promise<() => Promise<void>>;
}

interface Row extends SqlRow {
	introduction: string;
	created_at: number;
	log_level: string | null;
	subscriptions: string[];
}

const CHANNEL = 'toolgate_agent_sessions';
/** An agent that says more of itself has a session of one process. */
const MAX_INTRODUCTION_CHARACTERS = 65_536;
/** Of one session; what it asks for beyond ends with the process. */
const MAX_SUBSCRIPTIONS = 1_000;

export class SqlSessionStore implements SessionStore {
	readonly #sql: Sql;
	readonly #isAlive: string;

	/** @param idleMs and `ageMs`: how long a session may be unused, and how old it may become */
	constructor(sql: Sql, { idleMs, ageMs }: { readonly idleMs: number; readonly ageMs: number }) {
		this.#sql = sql;
		this.#isAlive = `used_at > clock_timestamp() - interval '${Math.round(idleMs)} milliseconds' AND created_at > clock_timestamp() - interval '${Math.round(ageMs)} milliseconds'`;
	}

	async add({ id, principalId, upstream, params, offers }: StoredSession, perPrincipal: number): Promise<void> {
		const introduction = JSON.stringify({ params, offers });
		if (introduction.length > MAX_INTRODUCTION_CHARACTERS) return;
		await this.#sql.query(
			`WITH kept AS (INSERT INTO agent_sessions (id, principal, upstream, introduction) VALUES ($1, $2, $3, $4)),
			excess AS (DELETE FROM agent_sessions WHERE id IN (SELECT id FROM agent_sessions WHERE principal = $2 ORDER BY used_at DESC OFFSET $5) RETURNING id)
			SELECT pg_notify('${CHANNEL}', id) FROM excess`,
			// What the statement inserts it does not see itself.
			[id, principalId, upstream ?? null, introduction, perPrincipal - 1],
		);
	}

	async find(id: string, principalId: string, upstream: string | undefined): Promise<FoundSession | undefined> {
		const [row] = await this.#sql.query<Row>(
			`SELECT introduction, created_at, log_level, subscriptions FROM agent_sessions WHERE id = $1 AND principal = $2 AND upstream IS NOT DISTINCT FROM $3 AND ${this.#isAlive}`,
			[id, principalId, upstream ?? null],
		);
		if (row === undefined) return undefined;
		const { params, offers } = JSON.parse(row.introduction) as { params: JsonObject; offers: JsonObject };
		const wishes: KeptWishes = {
			...(row.log_level === null ? {} : { logLevel: row.log_level }),
			subscriptions: row.subscriptions.map((uri) => JSON.parse(uri) as string),
		};
		return { id, principalId, upstream, params, offers, createdMs: row.created_at, wishes };
	}

	async setLogLevel(id: string, level: string): Promise<void> {
		await this.#sql.query('UPDATE agent_sessions SET log_level = $2 WHERE id = $1', [id, level]);
	}

	async addSubscription(id: string, uri: string): Promise<void> {
		await this.#sql.query(
			`UPDATE agent_sessions SET subscriptions = array_append(subscriptions, $2)
			WHERE id = $1 AND NOT $2 = ANY (subscriptions) AND cardinality(subscriptions) < ${MAX_SUBSCRIPTIONS}`,
			[id, JSON.stringify(uri)],
		);
	}

	async removeSubscription(id: string, uri: string): Promise<void> {
		await this.#sql.query('UPDATE agent_sessions SET subscriptions = array_remove(subscriptions, $2) WHERE id = $1', [
			id,
			JSON.stringify(uri),
		]);
	}

	async used(ids: readonly string[]): Promise<void> {
		if (ids.length > 0) await this.#sql.query('UPDATE agent_sessions SET used_at = clock_timestamp() WHERE id = ANY ($1)', [ids]);
	}

	async end(id: string): Promise<void> {
		await this.#sql.query(
			`WITH ended AS (DELETE FROM agent_sessions WHERE id = $1 RETURNING id) SELECT pg_notify('${CHANNEL}', id) FROM ended`,
			[id],
		);
	}

	async prune(): Promise<void> {
		await this.#sql.query(`DELETE FROM agent_sessions WHERE NOT (${this.#isAlive})`, []);
	}

	async onEnd(listener: (id: string) => void): Promise<() => Promise<void>> {
		return this.#sql.listen(CHANNEL, listener);
	}
}
