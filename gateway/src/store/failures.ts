import pg from 'pg';
import { StatementFailed, StoreUnavailable } from './sql.ts';

/**
 * SQLSTATE classes that speak of the database, not of the statement: connection (08), authorization (28), catalog (3D), resources (53: disk full,
 * too many connections), shutdown and start-up (57P), system error (58); and 25006, a server that has become read-only.
 */
const IS_ABOUT_DATABASE = /^(?:08|28|3D|53|57P|58|25006)/;

/** What the caller is told of a driver's error; `where` names the database, never its password. */
export function translate(cause: unknown, where: string): StoreUnavailable | StatementFailed {
	if (cause instanceof StoreUnavailable || cause instanceof StatementFailed) return cause;
	if (cause instanceof pg.DatabaseError && cause.code !== undefined && !IS_ABOUT_DATABASE.test(cause.code)) {
		return new StatementFailed(cause.message, cause.code, { cause });
	}
	return new StoreUnavailable(`${where}: ${reasonOf(cause)}`, { cause });
}

/** Node joins the attempts for each address of a host in an AggregateError without a message of its own. */
function reasonOf(cause: unknown): string {
	if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
	return cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
}
