import { createHash, randomInt, randomUUID } from 'node:crypto';
import type { Sql, SqlRow } from '../store/sql.ts';

/** Tokens of agents (`auth.mode: token`): the text is shown once, the store keeps its SHA-256. */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 43; // 256 bits
const TOKEN = /^tg_[0-9A-Za-z]{40,80}$/;

/** A token as operators see it: never its text. Times are ms since the epoch. */
export interface TokenView {
	readonly id: string;
	readonly name: string;
	readonly principal: string;
	readonly agent: string;
	readonly createdAtMs: number;
	readonly revokedAtMs?: number;
}

export interface TokenHolder {
	readonly principal: string;
	readonly agent: string;
}

export function makeToken(): string {
	let text = 'tg_';
	for (let i = 0; i < RANDOM_CHARACTERS; i++) text += ALPHABET[randomInt(ALPHABET.length)];
	return text;
}

/** The hash a token is found by, or undefined when the text can't be a token. 256 random bits need no slow hash. */
export function hashOfToken(token: string): Uint8Array | undefined {
	return TOKEN.test(token) ? createHash('sha256').update(token).digest() : undefined;
}

interface TokenRow extends SqlRow {
	id: string;
	name: string;
	principal: string;
	agent: string;
	created_at: number;
	revoked_at: number | null;
}

const COLUMNS = 'id, name, principal, agent, created_at, revoked_at';

const view = ({ id, name, principal, agent, created_at, revoked_at }: TokenRow): TokenView => ({
	id,
	name,
	principal,
	agent,
	createdAtMs: created_at,
	...(revoked_at === null ? {} : { revokedAtMs: revoked_at }),
});

/** The tokens in the store. Every method throws {StoreUnavailable} when the database can't be reached. */
export class Tokens {
	readonly #sql: Sql;
	constructor(sql: Sql) {
		this.#sql = sql;
	}

	/** Makes a token; `token` is its text, and nobody can read it again. */
	async create({ name, principal, agent }: { name: string; principal: string; agent: string }): Promise<TokenView & { token: string }> {
		const token = makeToken();
		const [row] = await this.#sql.query<TokenRow>(
			`INSERT INTO tokens (id, name, hash, principal, agent, created_at) VALUES ($1, $2, $3, $4, $5, now()) RETURNING ${COLUMNS}`,
			[randomUUID(), name, hashOfToken(token) as Uint8Array, principal, agent],
		);
		return { ...view(row as TokenRow), token };
	}

	/** Every token, the newest first; revoked ones too. */
	async list(): Promise<TokenView[]> {
		return (await this.#sql.query<TokenRow>(`SELECT ${COLUMNS} FROM tokens ORDER BY created_at DESC, id`)).map(view);
	}

	/** From now on it is refused. Undefined when there is no such token; a second time keeps the first time. */
	async revoke(id: string): Promise<TokenView | undefined> {
		const [row] = await this.#sql.query<TokenRow>(
			`UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id::text = $1 RETURNING ${COLUMNS}`,
			[id],
		);
		return row && view(row);
	}

	/** Whom a token speaks for; undefined when it is unknown or revoked. */
	async find(hash: Uint8Array): Promise<TokenHolder | undefined> {
		const [row] = await this.#sql.query<TokenRow>('SELECT principal, agent FROM tokens WHERE hash = $1 AND revoked_at IS NULL', [hash]);
		return row && { principal: row.principal, agent: row.agent };
	}
}
