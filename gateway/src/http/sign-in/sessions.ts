import { createHash, randomBytes } from 'node:crypto';
import type { Sql, SqlRow } from '../../store/sql.ts';

/** A session that nobody uses ends. */
export const SESSION_IDLE_HOURS = 8;
/** Any session ends, so that who has left an organisation is out of here too. */
export const SESSION_AGE_DAYS = 7;
export const LINK_MINUTES = 10;

/** Who signed in, as the store keeps it. */
export interface SignedIn {
	readonly personId: string;
	/** Groups that the identity provider named. */
	readonly groups: readonly string[];
}

interface SessionRow extends SqlRow {
	person: string;
	groups: string[];
	is_stale: boolean;
}

const SECRET = /^[\w-]{43}$/;
const ALIVE = `seen_at > clock_timestamp() - interval '${SESSION_IDLE_HOURS} hours' AND created_at > clock_timestamp() - interval '${SESSION_AGE_DAYS} days'`;

/** 256 random bits need no slow hash. Undefined when the text can't be one of ours. */
const hashOf = (secret: string): Uint8Array | undefined => (SECRET.test(secret) ? createHash('sha256').update(secret).digest() : undefined);
const makeSecret = (): { secret: string; hash: Uint8Array } => {
	const secret = randomBytes(32).toString('base64url');
	return { secret, hash: hashOf(secret)! };
};

/** The sessions of people and the one-time links that open them. Every method throws {StoreUnavailable} when the database can't be reached. */
export class PeopleSessions {
	readonly #sql: Sql;

	constructor(sql: Sql) {
		this.#sql = sql;
	}

	/** The code of a link: it opens one session, within ten minutes. */
	async createLink(personId: string): Promise<{ code: string; expiresAtMs: number }> {
		const { secret, hash } = makeSecret();
		await this.#sql.query('DELETE FROM sign_in_links WHERE expires_at <= clock_timestamp()', []);
		const [row] = await this.#sql.query<{ expires_at: number }>(
			`INSERT INTO sign_in_links (hash, person, expires_at) VALUES ($1, $2, clock_timestamp() + interval '${LINK_MINUTES} minutes') RETURNING expires_at`,
			[hash, personId],
		);
		return { code: secret, expiresAtMs: row!.expires_at };
	}

	/** Whom the link stands for; undefined when it is unknown, used or too old. Of many who try at once, on any replica, one gets in. */
	async takeLink(code: string): Promise<string | undefined> {
		const hash = hashOf(code);
		if (hash === undefined) return undefined;
		const [row] = await this.#sql.query<{ person: string; is_valid: boolean }>(
			'DELETE FROM sign_in_links WHERE hash = $1 RETURNING person, expires_at > clock_timestamp() AS is_valid',
			[hash],
		);
		return row?.is_valid === true ? row.person : undefined;
	}

	/** @returns the secret that the person's browser keeps */
	async open({ personId, groups }: SignedIn): Promise<string> {
		const { secret, hash } = makeSecret();
		await this.#sql.query(`DELETE FROM people_sessions WHERE NOT (${ALIVE})`, []);
		await this.#sql.query('INSERT INTO people_sessions (hash, person, groups) VALUES ($1, $2, $3)', [hash, personId, groups]);
		return secret;
	}

	/** Who holds the secret; undefined when the session has ended. Being found counts as use, unless `isUse` is false. */
	async find(secret: string, { isUse = true } = {}): Promise<SignedIn | undefined> {
		const hash = hashOf(secret);
		if (hash === undefined) return undefined;
		const [row] = await this.#sql.query<SessionRow>(
			`SELECT person, groups, seen_at < clock_timestamp() - interval '1 minute' AS is_stale FROM people_sessions WHERE hash = $1 AND ${ALIVE}`,
			[hash],
		);
		if (row === undefined) return undefined;
		if (isUse && row.is_stale) await this.#sql.query('UPDATE people_sessions SET seen_at = clock_timestamp() WHERE hash = $1', [hash]);
		return { personId: row.person, groups: row.groups };
	}

	async end(secret: string): Promise<void> {
		const hash = hashOf(secret);
		if (hash !== undefined) await this.#sql.query('DELETE FROM people_sessions WHERE hash = $1', [hash]);
	}
}
