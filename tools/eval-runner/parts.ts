import { Client } from 'pg';
import { SERVICE_NAMES, type ServiceName } from '../demo/services.ts';

/** Slow is not down: on a busy machine a health route may take its time. Nothing listening is told at once. */
const LOOK_TIMEOUT_MS = 10_000;

export type PartName = ServiceName | 'postgres';

/** Something that a stack needs: a service, or the database. */
export interface Part {
	readonly name: PartName;
	readonly url: string;
	/** Has it a process of its own here, which can be stopped and started. */
	readonly isSwitchable: boolean;
	/** What to know of it besides. */
	readonly note?: string;
	/** Resolves with why it is not well, in one phrase; undefined when it is. Never rejects. */
	look(): Promise<string | undefined>;
}

/** What `/readyz` of the gateway says of each of its own parts. */
interface Readiness {
	readonly parts?: readonly { readonly part: string; readonly isReady: boolean; readonly isVital: boolean; readonly says: string }[];
}

/** Every service, in the order they start, and then the database. */
export function partsOf(urls: Readonly<Record<ServiceName, string>>, peopleUrl: string, database: Part): Part[] {
	const healthUrl = (name: ServiceName) => (name === 'gateway' ? `${peopleUrl}/readyz` : `${urls[name]}/healthz`);
	return [...SERVICE_NAMES.map((name) => servicePart(name, urls[name], healthUrl(name))), database];
}

/** A service with a health route that answers 200 when it is well. */
function servicePart(name: ServiceName, url: string, healthUrl: string): Part {
	return {
		name,
		url,
		isSwitchable: true,
		look: async () => {
			const answer = await answerOf(healthUrl);
			if (typeof answer === 'string') return answer;
			if (answer.status === 200) return undefined;
			const unready = answer.readiness.parts?.find(({ isReady, isVital }) => isVital && !isReady);
			return unready === undefined ? `it answers ${answer.status}` : `${unready.part}: ${unready.says}`;
		},
	};
}

/** The database inside the gateway, as the gateway tells. */
export function embeddedDatabase(gatewayReadyUrl: string): Part {
	return {
		name: 'postgres',
		url: gatewayReadyUrl,
		isSwitchable: false,
		note: 'inside the gateway',
		look: async () => {
			const answer = await answerOf(gatewayReadyUrl);
			if (typeof answer === 'string') return `it lives in the gateway: ${answer}`;
			const store = answer.readiness.parts?.find(({ part }) => part === 'store');
			return store?.isReady ? undefined : (store?.says ?? 'the gateway does not tell');
		},
	};
}

/** A PostgreSQL server. @param dsn with its password; `url` shows it without */
export function databaseServer(dsn: string): Part {
	const { host, pathname } = new URL(dsn);
	return {
		name: 'postgres',
		url: `postgres://${host}${pathname}`,
		isSwitchable: true,
		look: async () => {
			const client = new Client({ connectionString: dsn, connectionTimeoutMillis: LOOK_TIMEOUT_MS, query_timeout: LOOK_TIMEOUT_MS });
			// A connection that breaks later on is a failure of the query, and is told by it.
			client.on('error', () => undefined);
			try {
				await client.connect();
				await client.query('SELECT 1');
				return undefined;
			} catch (error) {
				return (error as { code?: string }).code === 'ECONNREFUSED' ? 'it does not answer' : (error as Error).message;
			} finally {
				await client.end().catch(() => undefined);
			}
		},
	};
}

async function answerOf(url: string): Promise<{ status: number; readiness: Readiness } | string> {
	const patience = AbortSignal.timeout(LOOK_TIMEOUT_MS);
	try {
		const response = await fetch(url, { signal: patience });
		const text = await response.text();
		return { status: response.status, readiness: readinessOf(text) };
	} catch {
		return patience.aborted ? `no answer within ${LOOK_TIMEOUT_MS / 1000} s` : 'it does not answer';
	}
}

function readinessOf(text: string): Readiness {
	try {
		return JSON.parse(text) as Readiness;
	} catch {
		return {};
	}
}
