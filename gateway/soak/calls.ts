import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openStore } from '../src/store/open.ts';
import type { Sql } from '../src/store/sql.ts';
import { createTrail } from '../src/audit/trail.ts';
import { openAgent } from '../test/agent.ts';
import { type GatewayProcess, startGateway } from './gateway-process.ts';
import { seeded } from './random.ts';
import { startUpstream } from './upstream.ts';

export interface CallSoakOptions {
	readonly dsn: string;
	/** How often a gateway is killed with SIGKILL, at a random moment. */
	readonly kills: number;
	readonly seed: number;
	/** Gateways take a killed one for dead at once, and not after its lease. */
	readonly isHurried: boolean;
	readonly say: (line: string) => void;
}

export interface CallSoakReport {
	readonly kills: number;
	/** Calls that agents began. */
	readonly begun: number;
	/** Calls that the upstream saw. */
	readonly seen: number;
	readonly outcomes: Readonly<Record<string, number>>;
	readonly violations: readonly string[];
}

const GATEWAYS = 2;
const AGENTS = 8;
const CALLS_PER_TURN = 4;
const SHORTEST_LIFE_MS = 50;
const LONGEST_LIFE_MS = 1_500;
const RECOVERED_WITHIN_MS = 30_000;

/** Two gateways on one database under load; one after the other is killed at random moments and started again. */
export async function soakCalls({ dsn, kills, seed, isHurried, say }: CallSoakOptions): Promise<CallSoakReport> {
	const random = seeded(seed);
	const violations: string[] = [];
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-soak-'));
	const sql = await openStore({ dsn, dataDir: '' });
	const upstream = await startUpstream(async (turn) => {
		const intents = await sql.query(`SELECT FROM events WHERE turn = $1 AND kind = 'intent' AND admission = 'granted'`, [turn]);
		if (intents.length === 0) violations.push(`the upstream saw call ${turn}, which has no durable intent`);
	});
	const gateways = await Promise.all(Array.from({ length: GATEWAYS }, (_, n) => start(folder, n, dsn, upstream.url)));

	let begun = 0;
	let isOver = false;
	const agents = Array.from({ length: AGENTS }, async (_, n) => {
		for (let session = 0; !isOver; session++) {
			// A gateway that is down is tried again; a call is not.
			const agent = await openAgent(gateways[(n + session) % GATEWAYS]!.mcpUrl, {
				'x-toolgate-principal': `eval-${n}-${session}@example.com`,
			}).catch(() => pause(20));
			for (let call = 0; agent !== undefined && call < CALLS_PER_TURN * 50 && !isOver; call++) {
				const turn = `${n}.${session}.${call}`;
				begun++;
				const end = await agent.call('list_recent_charges', { turn }, { 'x-mcp-turn-id': turn }).catch(() => undefined);
				if (end === undefined) break;
			}
		}
	});

	let killed = 0;
	while (killed < kills) {
		await pause(SHORTEST_LIFE_MS + random.below(LONGEST_LIFE_MS));
		const gateway = gateways[random.below(GATEWAYS)]!;
		const name = `${hostname()}:${gateway.process.pid}`;
		await gateway.end('SIGKILL');
		killed++;
		if (isHurried) await sql.query('UPDATE processes SET lease_until = clock_timestamp() WHERE name = $1', [name]);
		const n = gateways.indexOf(gateway);
		gateways[n] = await start(folder, n, dsn, upstream.url);
		if (killed % Math.max(1, Math.floor(kills / 10)) === 0)
			say(`killed ${killed} times; ${begun} calls begun, ${upstream.seen()} seen by the upstream`);
	}
	isOver = true;
	await Promise.all(agents);
	await recovered(sql, violations);
	for (const gateway of gateways) await gateway.end();
	const outcomes = await countOutcomes(sql, violations);
	const { problem } = await createTrail(sql).verify();
	if (problem !== undefined) violations.push(problem);
	for (const [turn, times] of upstream.calls) if (times > 1) violations.push(`the upstream saw call ${turn} ${times} times`);
	await upstream.close();
	await sql.close();
	rmSync(folder, { recursive: true, force: true });
	return { kills: killed, begun, seen: upstream.seen(), outcomes, violations };
}

function start(folder: string, n: number, dsn: string, upstream: string): Promise<GatewayProcess> {
	return startGateway(folder, `gateway-${n}`, {
		upstreams: { stripe: { url: upstream } },
		store: { dsn },
		people: { 'eval-*@example.com': { groups: ['support'] } },
	});
}

async function recovered(sql: Sql, violations: string[]): Promise<void> {
	for (const endMs = performance.now() + RECOVERED_WITHIN_MS; ; ) {
		const open = await sql.query<{ id: string }>('SELECT id FROM intents', []);
		if (open.length === 0) return;
		if (performance.now() > endMs) return void violations.push(`${open.length} intents stay open, such as ${open[0]!.id}`);
		await pause(100);
	}
}

/** Of every granted intent: exactly one, and not a word more that counts. */
async function countOutcomes(sql: Sql, violations: string[]): Promise<Record<string, number>> {
	const rows = await sql.query<{ intent_id: string; outcomes: number; word: string | null }>(
		`SELECT i.intent_id, count(o.id) AS outcomes, max(o.outcome) AS word
		FROM events i LEFT JOIN events o ON o.call_id = i.call_id AND o.intent_id = i.intent_id AND o.kind = 'outcome' AND o.admission <> 'late'
		WHERE i.kind = 'intent' AND i.admission = 'granted' GROUP BY i.intent_id`,
		[],
	);
	const words: Record<string, number> = {};
	for (const { intent_id, outcomes, word } of rows) {
		if (outcomes !== 1) violations.push(`intent ${intent_id} has ${outcomes} outcomes`);
		words[word ?? 'none'] = (words[word ?? 'none'] ?? 0) + 1;
	}
	return words;
}
