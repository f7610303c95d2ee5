import { randomBytes } from 'node:crypto';
import type { Sql } from './sql.ts';

/**
 * The 32 bytes all keys of the deployment come from: the configured ones, or else those kept with the store, made at the first start of any replica.
 * @param configured 64 hex digits
 * @throws {StoreUnavailable}
 */
export async function deploymentKey(sql: Sql, configured?: string): Promise<Uint8Array> {
	if (configured !== undefined) return Buffer.from(configured, 'hex');
	await sql.query('INSERT INTO deployment_key (key) VALUES ($1) ON CONFLICT DO NOTHING', [randomBytes(32)]);
	const [row] = await sql.query<{ key: Uint8Array }>('SELECT key FROM deployment_key', []);
	return (row as { key: Uint8Array }).key;
}
