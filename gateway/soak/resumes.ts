import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTrail } from '../src/audit/trail.ts';
import { openStore } from '../src/store/open.ts';
import { post } from '../test/agent.ts';
import { payments } from '../test/payments.ts';
import { until } from '../test/until.ts';
import { agentWith, type GatewayProcess, startGateway } from './gateway-process.ts';

export interface ResumeSoakOptions {
	readonly dsn: string;
	/** Identical calls that come at once for one approval, half of them to each gateway. */
	readonly resumes: number;
	readonly say: (line: string) => void;
}

export interface ResumeSoakReport {
	/** How many calls ended with each word: of those that wait when a person approves, and of those that come afterwards. */
	readonly held: Readonly<Record<string, number>>;
	readonly later: Readonly<Record<string, number>>;
	/** How long the later ones took, all together. */
	readonly laterMs: number;
	/** What the fake money did, and how often the upstream was asked to. */
	readonly refunds: number;
	readonly refundedCents: number;
	readonly calls: number;
	/** What is wrong with the trail. */
	readonly problem: string | undefined;
}

const OPERATOR_TOKEN = 'tgo_of_the_soak_of_approvals';
const HELD = { charge: 'ch_alice_4', amount: 4_100 };
const LATER = { charge: 'ch_alice_4', amount: 100 };
const REVISION = '2026-07-28';
const META = 'io.modelcontextprotocol/';

/** Two refunds on two gateways that share a database: one is approved while everybody waits for it, for the other everybody comes at once when it is. */
export async function soakResumes({ dsn, resumes, say }: ResumeSoakOptions): Promise<ResumeSoakReport> {
	const endings: (() => unknown)[] = [];
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-resumes-'));
	try {
		const upstream = await payments({ teardown: (end) => void endings.push(end) });
		const gateways = await Promise.all(['one', 'two'].map((name) => startOne(folder, name, dsn, upstream.url, resumes)));
		endings.unshift(...gateways.map(({ end }) => end));
		const agents = await Promise.all(gateways.map((gateway) => agentWith(gateway, 'create_refund')));
		const store = await openStore({ dsn, dataDir: '' });
		endings.unshift(() => store.close());
		const come = async (refund: typeof HELD): Promise<Record<string, number>> => {
			const ends = await Promise.all(
				Array.from({ length: resumes }, async (_, n) =>
					agents[n % agents.length]!.call('create_refund', refund, { 'x-mcp-turn-id': `${n}` }),
				),
			);
			const unexpected = ends.find(({ word }) => word !== 'ok' && word !== 'replayed');
			if (unexpected !== undefined) say(`${unexpected.word}: ${unexpected.text}`);
			return Object.fromEntries([...Map.groupBy(ends, ({ word }) => word)].map(([word, of]) => [word, of.length]));
		};

		const coming = come(HELD);
		const waiting = await until(
			'everybody to wait',
			async () => {
				const [row] = await store.query<{ id: string; calls: number }>(
					`SELECT max(approval_id) AS id, count(*) AS calls FROM events WHERE kind = 'decision' AND decision = 'approvalRequired'`,
				);
				return row !== undefined && Number(row.calls) === resumes && row.id;
			},
			HELD_WITHIN_MS,
		);
		await approve(gateways[1]!.peopleUrl, waiting);
		const held = await coming;
		say(`${resumes} calls were held when a person approved`);

		const inbox = await askAndLeave(gateways[0]!, LATER);
		await approve(inbox.origin, inbox.id);
		const beganMs = performance.now();
		const later = await come(LATER);
		const laterMs = performance.now() - beganMs;
		say(`${resumes} calls came afterwards`);

		const { problem } = await createTrail(store).verify();
		const { refunds, refundedCents } = await upstream.ledger();
		return { held, later, laterMs, refunds, refundedCents, calls: upstream.received('create_refund').length, problem };
	} finally {
		for (const end of endings) await end();
		rmSync(folder, { recursive: true, force: true });
	}
}

/** What may come of it. */
export const isOnce = ({ held, later, refunds, calls, problem }: ResumeSoakReport, resumes: number): boolean =>
	[held, later].every(({ ok, replayed = 0 }) => ok === 1 && replayed === resumes - 1) &&
	refunds === 2 &&
	calls === 2 &&
	problem === undefined;

const HELD_WITHIN_MS = 45_000;

const startOne = (folder: string, name: string, dsn: string, upstream: string, resumes: number): Promise<GatewayProcess> =>
	startGateway(folder, name, {
		upstreams: { stripe: { url: upstream } },
		store: { dsn },
		auth: { mode: 'none', default: { principal: 'alice@example.com', agent: 'agent' } },
		people: { 'alice@example.com': { groups: ['support'] }, 'bob@example.com': { groups: ['finance'] } },
		operator: { as: 'bob@example.com', token: OPERATOR_TOKEN },
		limits: { callsPerPrincipal: resumes + 1 },
		approvals: { holdSeconds: 300 },
	});

/** As an agent that is sent to the inbox and does not wait: where that is. */
async function askAndLeave({ mcpUrl }: GatewayProcess, refund: typeof LATER): Promise<{ origin: string; id: string }> {
	const asked = await post(
		mcpUrl,
		{
			jsonrpc: '2.0',
			id: 1,
			method: 'tools/call',
			params: {
				name: 'create_refund',
				arguments: refund,
				_meta: { [`${META}protocolVersion`]: REVISION, [`${META}clientCapabilities`]: { elicitation: { url: {} } } },
			},
		},
		{ 'mcp-protocol-version': REVISION, 'mcp-method': 'tools/call', 'mcp-name': 'create_refund' },
	);
	const [, origin, id] = /(http:\/\/[\d.:]+)\/approvals\/([\w-]+)/.exec(asked.text) ?? [];
	if (origin === undefined || id === undefined) throw new Error(`the agent was not sent to the inbox: ${asked.status} ${asked.text}`);
	return { origin, id };
}

async function approve(peopleUrl: string, id: string): Promise<void> {
	const { status, text } = await post(`${peopleUrl}/api/approvals/${id}/approve`, {}, { authorization: `Bearer ${OPERATOR_TOKEN}` });
	if (status !== 200) throw new Error(`the refund could not be approved: ${text}`);
}
