import t from 'tap';
import { eachStore } from '../test/stores.ts';
import { until } from '../test/until.ts';
import { aCharge, anAdmission, anEvent, aProcess, aRequest, aSettlement, budgetOf, readChain } from './ledger-fixture.ts';
import type { Sql } from './store/sql.ts';

/** From now on, whoever writes to a stream meets what a database in trouble answers. */
async function trouble(sql: Sql): Promise<{ begin(raise: string): Promise<void>; end(): Promise<void> }> {
	const set = async (body: string) =>
		sql.query(`CREATE OR REPLACE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN new; END $$`);
	await set('');
	await sql.query('CREATE TRIGGER trouble BEFORE UPDATE ON streams FOR EACH ROW EXECUTE FUNCTION trouble()');
	return { begin: async (raise) => void (await set(raise)), end: async () => void (await set('')) };
}

const faults = {
	full: '53100',
	'read-only': '25006',
	'out of connections': '53300',
	'failing over': '57P01',
	'starting up': '57P03',
	'too slow': '57014',
	locked: '55P03',
	'in a deadlock again and again': '40P01',
} as const;

t.test(
	'a database in trouble in the middle of calls: no call goes on, each outcome is recorded once when it is back, nothing stays reserved',
	(t) =>
		eachStore(t, async (t, database) => {
			for (const [says, sqlState] of Object.entries(faults)) {
				await t.test(`${says} (${sqlState})`, async (t) => {
					const process = await aProcess(database);
					const { sql, stream } = process;
					const told: unknown[] = [];
					const admission = await anAdmission(t, process, { onFault: (error) => told.push(error) });
					const key = `cents ${says}`;
					const running = aRequest([aCharge({ key, cost: 5 })]);
					await admission.admit(running);
					const fault = await trouble(sql);
					t.teardown(() => sql.query('DROP TRIGGER IF EXISTS trouble ON streams'));

					await fault.begin(`RAISE 'in trouble' USING ERRCODE = '${sqlState}';`);
					const [admitted, refused, settled] = await Promise.allSettled([
						admission.admit(aRequest([aCharge({ key, cost: 9 })])),
						admission.refuse(anEvent({ kind: 'refusal', decision: 'deny' })),
						admission.settle(aSettlement(running)),
					]);
					for (const lost of [admitted, refused]) t.match(lost, { status: 'rejected', reason: { name: 'StoreUnavailable' } });
					t.equal(settled.status, 'fulfilled', 'the answer to the agent does not wait for the database');
					t.ok(told.length > 0, 'it is told');
					await t.rejects(admission.admit(aRequest()), { name: 'StoreUnavailable' });

					await fault.end();
					const next = await until('the next call to be granted', () =>
						admission.admit(aRequest([aCharge({ key, cost: 1 })])).catch(() => undefined),
					);
					t.equal(next.kind, 'granted');
					const own = (await readChain(t, sql)).filter((row) => row.stream === stream);
					t.equal(own.filter(({ event }) => event.kind === 'outcome' && event.intentId === running.event.intentId).length, 1);
					t.match(
						own.filter(({ event }) => event.kind === 'gap'),
						[{ event: { detail: { unrecorded: 1 } } }],
					);
					t.same(await budgetOf(sql, key), { spent: 5, reserved: 1, overrun: 0 });
				});
			}
		}),
);

t.test('a slow database makes calls wait, and grants each once', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const { begin } = await trouble(process.sql);
		t.teardown(() => process.sql.query('DROP TRIGGER IF EXISTS trouble ON streams'));
		await begin('PERFORM pg_sleep(0.3);');
		const answers = await Promise.all(Array.from({ length: 20 }, () => admission.admit(aRequest([aCharge({ limit: 15 })]))));
		t.equal(answers.filter(({ kind }) => kind === 'granted').length, 15);
		t.equal((await readChain(t, process.sql)).length, 20);
	}),
);
