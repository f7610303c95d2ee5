import t from 'tap';
import { createTrail } from '../../src/audit/trail.ts';
import { checkpointSigner } from '../../src/audit/checkpoint.ts';
import { deriveKeys } from '../../src/keys.ts';
import { deploymentKey } from '../../src/store/deployment-key.ts';
import { eachStore } from '../stores.ts';
import { seedTrail } from './seed.ts';

const EVENTS = 1_500;

t.test('the short form of explorer:million: a seeded trail is intact, and is read page by page and counted whole', (t) =>
	eachStore(t, async (t, database) => {
		const sql = await database.open();
		const nowMs = Math.floor(sql.nowMs());
		const events = await seedTrail(sql, { events: EVENTS, days: 40, seed: 7, nowMs });
		t.ok(Math.abs(events - EVENTS) < EVENTS / 4, `${events} events`);
		const trail = createTrail(sql, [checkpointSigner(deriveKeys(await deploymentKey(sql)).checkpointSeed)]);
		t.match(await trail.verify(), { isIntact: true, events, streams: 4, unsigned: 0 });

		const filter = { agent: 'billing-bot' };
		const callIds: (string | undefined)[] = [];
		let cursor: string | undefined;
		do {
			const page = await trail.entries(filter, { limit: 100, ...(cursor === undefined ? {} : { cursor }) });
			callIds.push(...page.entries.map(({ callId }) => callId));
			cursor = page.next;
		} while (cursor !== undefined);
		const { total, isAll } = await trail.counts(filter, { by: 'verdict', bars: 60 });
		t.equal(new Set(callIds).size, total, 'each call has one verdict');
		t.equal(isAll, true);
		t.ok(total > 20, `${total} calls`);
	}),
);
