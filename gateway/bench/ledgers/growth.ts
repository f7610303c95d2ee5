import { createTrail } from '../../src/audit/trail.ts';
import type { Store } from '../../src/store/sql.ts';
import { median } from '../load.ts';
import type { Figure, Plan } from './section.ts';
import { aCall, aWriter } from './writer.ts';

const SEEDED_AT_ONCE = 20_000;
const SEARCHES = 15;
const WRITTEN = 4_000;

/** What writing and searching cost where there is more and more already. The rows that are there are light; their indexes are the same. */
export async function* measureGrowth(sql: Store, { sizes, durationMs }: Plan): AsyncGenerator<Figure> {
	await sql.query('TRUNCATE events, streams, intents');
	await sql.query(`INSERT INTO streams (id) VALUES ('seed')`, []);
	const written = Math.min(WRITTEN, durationMs * 3);
	let seeded = 0;
	for (const size of sizes) {
		for (; seeded < size; seeded += Math.min(SEEDED_AT_ONCE, size - seeded))
			await seed(sql, seeded, Math.min(SEEDED_AT_ONCE, size - seeded));
		await sql.query('ANALYZE events');
		const admission = await aWriter(sql, 128);
		await batches(admission, 256);
		const beganMs = performance.now();
		await batches(admission, written);
		yield { what: `writing an event where there are ${size}`, value: ((performance.now() - beganMs) * 1000) / written, unit: 'µs' };
		await admission.close();
		if (size === 0) continue;
		const trail = createTrail(sql);
		const tookMs: number[] = [];
		for (let n = 0; n < SEARCHES; n++) {
			const askedMs = performance.now();
			const { events } = await trail.search({ agent: `agent${n}` }, { limit: 1_000 });
			tookMs.push(performance.now() - askedMs);
			if (events.length === 0) throw new Error('the search found nothing');
		}
		yield {
			what: `the last 1,000 events of one agent among ${size}`,
			value: median(tookMs),
			unit: 'ms p50',
			more: `slowest ${Math.max(...tookMs).toFixed(1)} ms`,
		};
	}
}

async function batches(admission: Awaited<ReturnType<typeof aWriter>>, count: number): Promise<void> {
	for (let done = 0; done < count; done += 128) await Promise.all(Array.from({ length: 128 }, () => admission.refuse(aCall().event)));
}

/** Ninety agents, each with every ninetieth event; unique where ids are. */
async function seed(sql: Store, from: number, count: number): Promise<void> {
	await sql.query(
		`INSERT INTO events SELECT month_of(clock_timestamp()), 'seed', n, md5('e' || n), CASE n % 2 WHEN 0 THEN 'outcome' ELSE 'intent' END, n, md5('c' || n / 2), md5('d' || n / 2),
			md5('i' || n / 2), NULL, 'principal' || n % 1000, 'agent' || n % 90, md5('s' || n / 100), md5('t' || n / 10), 'server' || n % 5, 'tool' || n % 50,
			CASE n % 2 WHEN 1 THEN 'allow' END, CASE n % 2 WHEN 0 THEN 'ok' END, CASE n % 20 WHEN 0 THEN 'rule' || n % 7 END, CASE n % 2 WHEN 1 THEN 'granted' ELSE '' END,
			'{"n":' || n || ',"text":"' || repeat('x', 150) || '"}', sha256(n::text::bytea), sha256(n::text::bytea)
		FROM generate_series($1::bigint, $2::bigint) AS n`,
		[from + 1, from + count],
	);
}
