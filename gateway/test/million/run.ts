import { join } from 'node:path';
import { parseArgs } from 'node:util';
import root, { type Test } from 'tap';
import { buildWhenStale } from '../../../ui/build.ts';
import { openPg } from '../../src/store/pg.ts';
import { build, type Built, root as folder } from '../build.ts';
import { openChromium } from '../chromium.ts';
import { startPostgres } from '../postgres.ts';
import { embedded, type FreshDatabase } from '../stores.ts';
import { photograph } from './photograph.ts';
import { seedTrail } from './seed.ts';
import { migrate } from '../../src/store/migrate.ts';

/** `npm run explorer:million [-- --events 1000000 --days 30 --seed 1 --embedded --images docs/images]`: the explorer on a long trail, and what its questions cost. */

const ASKED = 9;

const questions: readonly (readonly [what: string, path: (n: number) => string])[] = [
	['the newest page of the list', () => '/api/audit/entries?limit=100'],
	["one agent's newest page", (n) => `/api/audit/entries?limit=100&agent=${agentOf(n)}`],
	["one agent's last 1,000 events", (n) => `/api/audit?limit=1000&agent=${agentOf(n)}`],
	['one agent and one tool, page', (n) => `/api/audit/entries?limit=100&agent=${agentOf(n)}&tool=create_refund`],
	['allow and then upstream_error, page', () => '/api/audit/entries?limit=100&decision=allow&outcome=upstream_error'],
	['approvalRequired and then ok, page', () => '/api/audit/entries?limit=100&decision=approvalRequired&outcome=ok'],
	['deny and then ok: there is none, page', () => '/api/audit/entries?limit=100&decision=deny&outcome=ok'],
	['a text that is there, page', (n) => `/api/audit/entries?limit=100&text=ch_${n}`],
	['a text that is nowhere, page', () => '/api/audit/entries?limit=100&text=nowhere'],
	['the chart of everything', () => '/api/audit/counts?bars=90'],
	['the chart of 24 hours', () => '/api/audit/counts?bars=90&since=24h'],
	['the chart of one agent', (n) => `/api/audit/counts?bars=90&agent=${agentOf(n)}`],
	['the chart of outcomes', () => '/api/audit/counts?bars=90&by=outcome'],
	['the chart of denials', () => '/api/audit/counts?bars=90&decision=deny'],
];

const agentOf = (n: number): string => ['billing-bot', 'support-triage', 'refund-desk', 'night-audit', 'dunning'][n % 5]!;

async function measure({ api }: Built): Promise<void> {
	for (const [what, path] of questions) {
		const tookMs: number[] = [];
		for (let n = 0; n < ASKED; n++) {
			const askedMs = performance.now();
			const { status } = await api('GET', path(n));
			tookMs.push(performance.now() - askedMs);
			if (status !== 200) throw new Error(`${path(n)}: ${status}`);
		}
		tookMs.sort((a, b) => a - b);
		console.log(
			`${what.padEnd(42)}p50 ${tookMs[ASKED >> 1]!.toFixed(0).padStart(5)} ms, slowest ${tookMs.at(-1)!.toFixed(0).padStart(5)} ms`,
		);
	}
}

async function onServer(endings: (() => unknown)[]): Promise<FreshDatabase> {
	const server = await startPostgres();
	endings.push(() => server.stop());
	const open = async () => {
		const store = await openPg(server.dsn);
		endings.push(() => store.close());
		return store;
	};
	await migrate(await open());
	return { driver: 'pg', open };
}

// The parts of a gateway come from the tests', whose runner would end this after half a minute.
root.setTimeout(0);
const endings: (() => unknown)[] = [];
try {
	const { values } = parseArgs({
		options: {
			events: { type: 'string', default: '1000000' },
			days: { type: 'string', default: '30' },
			seed: { type: 'string', default: '1' },
			embedded: { type: 'boolean', default: false },
			images: { type: 'string' },
		},
	});
	const [events, days, seed] = (['events', 'days', 'seed'] as const).map((name) => {
		if (!/^[1-9]\d{0,8}$/.test(values[name])) throw new Error(`--${name}: expected a whole number, found ${values[name]}`);
		return Number(values[name]);
	}) as [number, number, number];
	// What the parts of a gateway need of a test: to be ended with it.
	const t = { teardown: (end: () => unknown) => endings.push(end) } as unknown as Test;
	const database = values.embedded ? embedded(t) : await onServer(endings);
	const sql = await database.open();
	const beganMs = performance.now();
	let told = 0;
	const written = await seedTrail(sql, {
		events,
		days,
		seed,
		nowMs: Math.floor(sql.nowMs()),
		onProgress: (count) => {
			if (Math.floor(count / 100_000) > Math.floor(told / 100_000)) console.error(`${count} events`);
			told = count;
		},
	});
	await sql.query('ANALYZE events');
	console.log(`${written} events of ${days} days written in ${((performance.now() - beganMs) / 1000).toFixed(0)} s, ${database.driver}`);
	const built = await build(t, { database });
	await measure(built);
	const askedMs = performance.now();
	const { json } = await built.api<{ isIntact: boolean; problem?: string }>('GET', '/api/audit/verify');
	console.log(`verify: ${json.isIntact ? 'intact' : json.problem}, ${((performance.now() - askedMs) / 1000).toFixed(1)} s`);
	if (values.images !== undefined) {
		await buildWhenStale();
		const chromium = await openChromium(t);
		if (chromium !== undefined) await photograph(t, chromium, built, join(folder, values.images));
	}
} catch (error) {
	console.error(`explorer:million: ${(error as Error).message}`);
	process.exitCode = 2;
} finally {
	for (const end of endings.reverse()) await end();
}
