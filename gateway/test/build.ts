import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { buildGateway, type Gateway } from '../src/app.ts';
import { traceWords } from '../src/audit/lines.ts';
import type { RecordedEvent } from '../src/audit/trail.ts';
import { loadConfig } from '../src/config.ts';
import type { JsonObject } from '../src/domain.ts';
import { listen } from '../src/http/listen.ts';
import type { Sql } from '../src/store/sql.ts';
import { type MockLark, mockLark } from './mock-lark.ts';
import { type Payments, payments } from './payments.ts';
import { embedded, type FreshDatabase } from './stores.ts';

export const root = join(import.meta.dirname, '../..');
export const OPERATOR_TOKEN = 'tgo_of_the_tests';

export interface BuildOptions {
	/** By default a fresh embedded one. Handed on from one gateway to the next, it is as a restart. */
	readonly database?: FreshDatabase;
	/** Keys of `toolgate.yaml` over those of the tests. */
	readonly config?: Readonly<Record<string, unknown>>;
	/** By default the payments server in this process. */
	readonly upstreams?: Readonly<Record<string, { url: string }>>;
	readonly payments?: Payments;
	/** What the person at the fake Lark does with cards, or the Lark itself; absent: no Lark. */
	readonly lark?: 'approve' | 'reject' | 'ignore' | MockLark;
}

export interface Built {
	readonly gateway: Gateway;
	/** Of the agents' listener. */
	readonly mcpUrl: string;
	readonly peopleUrl: string;
	readonly configFile: string;
	/** A look at the database beside the gateway. */
	readonly sql: Sql;
	readonly payments: Payments;
	readonly lark: MockLark;
	readonly news: string[];
	readonly faults: unknown[];
	/** One request to the people listener, by the operator. */
	api<T = JsonObject>(method: string, path: string, body?: unknown): Promise<{ status: number; json: T }>;
	events(query?: string): Promise<RecordedEvent[]>;
	/** Each call of the trail in the order they began: `create_refund → approvalRequired → expired`. */
	traces(query?: string): Promise<string[]>;
	close(): Promise<void>;
}

/** The people of the tests: alice has agents, bob approves. */
export const people = {
	'alice@example.com': { groups: ['support'] },
	'bob@example.com': { groups: ['finance', 'support'], larkOpenId: 'ou_bob' },
	'mallory@example.com': { groups: ['support'], larkOpenId: 'ou_mallory' },
	'eval-*@example.com': { groups: ['support', 'eval'] },
};

export function writeConfig(t: Test, config: Readonly<Record<string, unknown>>): string {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-config-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const file = join(folder, 'toolgate.yaml');
	writeFileSync(file, JSON.stringify(config, undefined, 2));
	return file;
}

/** Starts a whole gateway in this process on free ports; everything ends with the test. */
export async function build(t: Test, options: BuildOptions = {}): Promise<Built> {
	const upstream = options.payments ?? (await payments(t));
	const lark = typeof options.lark === 'object' ? options.lark : await mockLark(t, options.lark ?? 'ignore');
	const database = options.database ?? embedded(t);
	const configFile = writeConfig(t, {
		upstreams: options.upstreams ?? { stripe: { url: upstream.url } },
		policy: { bundle: join(root, 'bundles/toolgate.tar.gz') },
		auth: { mode: 'none', default: { principal: 'alice@example.com', agent: 'agent' } },
		people,
		operator: { as: 'bob@example.com', token: OPERATOR_TOKEN },
		listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' },
		...(options.lark === undefined ? {} : { lark: lark.config }),
		...options.config,
	});
	const { config } = loadConfig(configFile, {});
	const news: string[] = [];
	const faults: unknown[] = [];
	const gateway = await buildGateway(config, {
		store: await database.open(),
		operatorToken: OPERATOR_TOKEN,
		peopleUrl: () => 'http://people.example',
		onFault: (error) => faults.push(error),
		onNews: (text) => news.push(text),
	});
	let closing: Promise<void> | undefined;
	const close = () => (closing ??= gateway.close());
	t.teardown(close);
	const agentsUrl = await listen(gateway.agents, config.listen.agents, { key: 'listen.agents', env: '' });
	const peopleUrl = await listen(gateway.people, config.listen.people, { key: 'listen.people', env: '' });
	lark.callbackUrl = `${agentsUrl}/lark/actions`;
	await gateway.firstLook(5_000);
	const { policy } = options.config ?? {};
	if (policy === undefined && !gateway.readiness().every(({ isVital, isReady }) => isReady || !isVital))
		throw new Error(`the gateway is not ready: ${news.join('; ')}`);

	const api: Built['api'] = async <T>(method: string, path: string, body?: unknown) => {
		const response = await fetch(peopleUrl + path, {
			method,
			headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		return { status: response.status, json: (await response.json()) as T };
	};
	const events: Built['events'] = async (query = '') =>
		(await api<{ events: RecordedEvent[] }>('GET', `/api/audit?limit=1000${query}`)).json.events.reverse();
	return {
		gateway,
		mcpUrl: `${agentsUrl}/mcp`,
		peopleUrl,
		configFile,
		sql: await database.open(),
		payments: upstream,
		lark,
		news,
		faults,
		api,
		events,
		traces: async (query) => tracesOf(await events(query)),
		close,
	};
}

/** @param events oldest first */
export function tracesOf(events: readonly RecordedEvent[]): string[] {
	const calls = Map.groupBy(
		events.filter(({ callId }) => callId !== undefined),
		({ callId }) => callId,
	);
	return [...calls.values()].map((of) => [of.find(({ tool }) => tool !== undefined)?.tool, ...traceWords(of)].join(' → '));
}
