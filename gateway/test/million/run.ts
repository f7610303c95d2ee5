import { join } from 'node:path';
import { parseArgs } from 'node:util';
import root, { type Test } from 'tap';
import { buildWhenStale } from '../../../ui/build.ts';
import { migrate } from '../../src/store/migrate.ts';
import { openPg } from '../../src/store/pg.ts';
import { build, root as folder } from '../build.ts';
import { openChromium } from '../chromium.ts';
import { startPostgres } from '../postgres.ts';
import { embedded, type FreshDatabase } from '../stores.ts';
import { measure } from './measure.ts';
import { photograph } from './photograph.ts';
import { seedTrail } from './seed.ts';

/** `npm run explorer:million [-- --events 1000000 --days 30 --seed 1 --embedded --images docs/images]`: the explorer on a long trail, and what its questions cost. */

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
	// The embedded database is closed with the runner.
	root.end();
}
