import { request } from 'node:http';
import { type GatewayProcess, startGateway } from '../../soak/gateway-process.ts';
import { post } from '../../test/agent.ts';
import { openPg } from '../../src/store/pg.ts';
import type { Store } from '../../src/store/sql.ts';

const ATTEMPTS = 10;
const OPERATOR_TOKEN = 'tgo_of_the_bench_of_approvals';

export interface StackOptions {
	readonly folder: string;
	readonly dsn: string;
	readonly upstreamUrl: string;
	readonly replicas: number;
}

/** Gateways on one database, whose principals `eval-*@example.com` may ask for refunds; and a look at that database. */
export interface ApprovalStack {
	readonly gateways: readonly GatewayProcess[];
	readonly store: Store;
	/** Tries again while the database is too busy. @throws {Error} it was refused */
	approve(gateway: GatewayProcess, id: string): Promise<void>;
	close(): Promise<void>;
}

export async function startStack({ folder, dsn, upstreamUrl, replicas }: StackOptions): Promise<ApprovalStack> {
	const start = (_: unknown, n: number) =>
		startGateway(folder, `${new URL(upstreamUrl).port}-${n}`, {
			upstreams: { stripe: { url: upstreamUrl } },
			store: { dsn },
			people: { 'eval-*@example.com': { groups: ['support'] }, 'bob@example.com': { groups: ['finance'] } },
			operator: { as: 'bob@example.com', token: OPERATOR_TOKEN },
			approvals: { holdSeconds: 1_800 },
		});
	const gateways = await Promise.all(Array.from({ length: replicas }, start));
	const store = await openPg(dsn);
	return {
		gateways,
		store,
		async approve({ peopleUrl }, id) {
			for (let attempt = 1; ; attempt++) {
				const { status, text } = await post(`${peopleUrl}/api/approvals/${id}/approve`, {}, { authorization: `Bearer ${OPERATOR_TOKEN}` });
				// A person who reads "try again in a moment" does; it may have been decided all the same.
				if (status === 200 || (attempt > 1 && status === 409)) return;
				if (status !== 503 || attempt === ATTEMPTS) throw new Error(`the approval ${id} was answered ${status}: ${text}`);
			}
		},
		async close() {
			await store.close();
			await Promise.all(gateways.map(({ end }) => end()));
		},
	};
}

/** A call as the SDKs make it, which takes a stream and waits as long as it lasts; its answer's text. */
export function callAndWait(mcpUrl: string, id: number, headers: Readonly<Record<string, string>>, args: object): Promise<string> {
	const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'create_refund', arguments: args } });
	return new Promise((resolve, reject) => {
		const sent = request(
			mcpUrl,
			{
				method: 'POST',
				agent: false,
				headers: {
					...headers,
					'content-type': 'application/json',
					accept: 'application/json, text/event-stream',
					'content-length': Buffer.byteLength(body),
				},
			},
			(response) => {
				let text = '';
				response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
				response.on('end', () => resolve(text)).on('error', reject);
			},
		);
		sent.on('error', reject).end(body);
	});
}
