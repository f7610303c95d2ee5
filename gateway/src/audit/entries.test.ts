import { randomUUID } from 'node:crypto';
import t from 'tap';
import { eachStore } from '../../test/stores.ts';
import { aCharge, anAdmission, anEvent, aProcess, aRequest, aSettlement } from '../ledger-fixture.ts';
import { countOverTime } from './counts.ts';
import { createTrail } from './trail.ts';

t.test('each call is one entry with all that became of it, whichever of its events fit; what is about no call is one too', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const { entries } = createTrail(process.sql);
		const gone = aRequest([], { timeMs: 1_000, turn: 't1', rule: 'payments.reads' });
		await admission.admit(gone);
		const settlement = aSettlement(gone, 'not_sent');
		await admission.settle({ ...settlement, event: { ...settlement.event, timeMs: 1_250, message: 'down', detail: { durationMs: 250 } } });
		const running = aRequest([], { timeMs: 2_000 });
		await admission.admit(running);
		await admission.refuse(anEvent({ kind: 'refusal', decision: 'deny', timeMs: 3_000, message: 'no' }));
		await admission.refuse({ version: 1, id: randomUUID(), kind: 'activation', timeMs: 4_000, message: 'revision 7' });

		const all = await entries({}, { limit: 50 });
		t.equal(all.next, undefined);
		t.match(all.entries, [
			{ kind: 'activation', words: ['activation'], message: 'revision 7', timeMs: 4_000, isRunning: false },
			{ words: ['deny'], message: 'no', isRunning: false },
			{ callId: running.event.callId, words: ['allow'], isRunning: true },
			{
				callId: gone.event.callId,
				words: ['allow', 'upstream_error'],
				timeMs: 1_250,
				durationMs: 250,
				turn: 't1',
				rule: 'payments.reads',
				message: 'down',
			},
		]);
		t.equal(all.entries.length, 4);
		const only = async (filter: object) => (await entries(filter, { limit: 50 })).entries.map(({ callId, words }) => [callId, ...words]);
		const whole = [gone.event.callId, 'allow', 'upstream_error'];
		t.same(await only({ outcome: 'upstream_error' }), [whole], 'found by its last word, shown with its first');
		t.same(await only({ untilMs: 1_100 }), [whole], 'and the other way round');
		t.same(await only({ decision: 'allow', outcome: 'upstream_error' }), [whole], 'and by both');
		t.same(await only({ decision: 'deny', outcome: 'upstream_error' }), []);
		const page = await entries({}, { limit: 2 });
		t.equal(page.entries.length, 2);
		t.match((await entries({}, { limit: 2, cursor: page.next! })).entries, [
			{ callId: running.event.callId },
			{ callId: gone.event.callId },
		]);
	}),
);

t.test('verdicts and outcomes are counted over time, each call once, and of the newest only so many', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const { counts } = createTrail(process.sql);
		t.match(await counts({}, { by: 'verdict', bars: 10 }), { bars: [], total: 0, isAll: true });
		const limited = [aCharge({ limit: 1 })];
		for (const [n, charges] of [[], limited, limited].entries()) {
			const request = aRequest(charges, { timeMs: 60_000 + n });
			if ((await admission.admit(request)).kind !== 'granted') continue;
			const settlement = aSettlement(request);
			await admission.settle({ ...settlement, event: { ...settlement.event, timeMs: 61_000 } });
		}
		const approvalId = randomUUID();
		const asked = { callId: randomUUID(), approvalId, decision: 'approvalRequired' } as const;
		await admission.refuse(anEvent({ ...asked, kind: 'decision', timeMs: 120_000 }));
		await admission.refuse(anEvent({ ...asked, kind: 'refusal', outcome: 'rejected', timeMs: 121_000 }));
		await admission.refuse(anEvent({ kind: 'refusal', decision: 'deny', agent: 'other', timeMs: 122_000 }));
		const { decision: _, ...unknown } = anEvent({ kind: 'refusal', outcome: 'unknown_tool', timeMs: 123_000 });
		await admission.refuse(unknown);

		t.same(await counts({}, { by: 'verdict', bars: 4 }), {
			fromMs: 60_000,
			toMs: 150_000,
			stepMs: 30_000,
			bars: [
				{ startMs: 60_000, counts: { allow: 2, budgetExceeded: 1 } },
				{ startMs: 120_000, counts: { approvalRequired: 1, deny: 1, unknown_tool: 1 } },
			],
			total: 6,
			isAll: true,
		});
		t.match(await counts({}, { by: 'outcome', bars: 4 }), {
			bars: [{ counts: { ok: 2 } }, { counts: { rejected: 1, unknown_tool: 1 } }],
		});
		t.match(await counts({ agent: 'other', sinceMs: 0, untilMs: 240_000 }, { by: 'verdict', bars: 6 }), {
			fromMs: 0,
			toMs: 240_000,
			stepMs: 60_000,
			bars: [{ startMs: 120_000, counts: { deny: 1 } }],
		});
		t.match(await counts({ decision: 'allow', outcome: 'ok' }, { by: 'outcome', bars: 4 }), {
			bars: [{ counts: { ok: 2 } }],
			total: 2,
			isAll: true,
		});
		t.match(await counts({ text: 'UNKNOWN_tool' }, { by: 'verdict', bars: 4 }), { bars: [{ counts: { unknown_tool: 1 } }], total: 1 });
		t.match(
			await countOverTime(process.sql, {}, { by: 'verdict', bars: 60 }, 2),
			{ fromMs: 122_000, total: 2, isAll: false },
			'the newest; and it says so',
		);
	}),
);
