import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { eachStore } from '../test/stores.ts';
import { until } from '../test/until.ts';
import type { AdmissionRequest } from './admission.ts';
import { openAnswer } from './approvals/replay.ts';
import type { JsonObject } from './domain.ts';
import { aCharge, anAdmission, aProcess, aRequest, aSettlement, anEvent, budgetOf, conceal, keys, readChain } from './ledger-fixture.ts';
import { eventRow } from './store/event-row.ts';
import { openStore } from './store/open.ts';
import { type Sql, StoreUnavailable } from './store/sql.ts';

async function anApproval(sql: Sql, fields: { state?: string; ttlMs?: number } = {}): Promise<string> {
	const id = randomUUID();
	await sql.query(
		`INSERT INTO approvals (id, state, identity, principal, agent, upstream, tool, definition_digest, arguments_digest, sent_digest, recorded, reasons,
			requirements, call_id, decision_id, bundle_revision, expires_at)
		VALUES ($1, $2, $1, 'alice@example.com', 'billing-bot', 'stripe', 'create_refund', 'definition', 'arguments', 'sent', '{}', '[]', '[]', 'c', 'd', 'r',
			clock_timestamp() + $3 * interval '1 millisecond')`,
		[id, fields.state ?? 'approved', fields.ttlMs ?? 60_000],
	);
	return id;
}

const claiming = (approvalId: string, fields: Partial<NonNullable<AdmissionRequest['claim']>> = {}): AdmissionRequest => ({
	event: anEvent({ approvalId }),
	charges: [],
	claim: { approvalId, sentDigest: 'sent', definitionDigest: 'definition', ...fields },
});

const approvalOf = async (sql: Sql, id: string): Promise<JsonObject> =>
	(await sql.query<JsonObject>('SELECT state, charges FROM approvals WHERE id = $1', [id]))[0]!;

t.test('800 calls at once from two processes take exactly what the limits allow, and the chain says so', (t) =>
	eachStore(t, async (t, database) => {
		const one = await aProcess(database);
		const two = await aProcess(database);
		const admissions = [await anAdmission(t, one), await anAdmission(t, two)];
		const charges = [aCharge({ key: 'calls', unit: 'calls', limit: 500, isAttempt: true }), aCharge({ limit: 100, cost: 3 })];
		const answers = await Promise.all(
			Array.from({ length: 800 }, (_, n) => admissions[n % 2]!.admit(aRequest(n % 3 === 0 ? charges.toReversed() : charges))),
		);
		t.equal(answers.filter(({ kind }) => kind === 'granted').length, 33);
		const refused = answers.find((answer) => answer.kind === 'budgetExceeded');
		t.match(refused, { charge: { key: 'cents', cost: 3 }, used: 99 });
		t.same(await budgetOf(one.sql, 'cents'), { spent: 0, reserved: 99, overrun: 0 });
		t.same(await budgetOf(one.sql, 'calls'), { spent: 33, reserved: 0, overrun: 0 }, 'all budgets of a call or none');
		const chain = await readChain(t, one.sql);
		t.equal(chain.length, 800);
		t.equal(chain.filter(({ admission }) => admission === 'granted').length, 33);
		t.equal(chain.filter(({ admission }) => admission === 'budgetExceeded').length, 767);
	}),
);

t.test('an approval is claimed exactly once under 50 calls at once, from two processes', (t) =>
	eachStore(t, async (t, database) => {
		const one = await aProcess(database);
		const admissions = [await anAdmission(t, one), await anAdmission(t, await aProcess(database))];
		const approvalId = await anApproval(one.sql);
		const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => admissions[n % 2]!.admit(claiming(approvalId))));
		t.equal(answers.filter(({ kind }) => kind === 'granted').length, 1);
		t.match(
			answers.find(({ kind }) => kind === 'unclaimable'),
			{ state: 'dispatched', why: /an identical call is under way/ },
		);
	}),
);

t.test('an approval is claimed only as it was bound, while it lasts, and not burned by a refusal', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const approvalId = await anApproval(process.sql);
		t.match(await admission.admit(claiming(approvalId, { sentDigest: 'other' })), {
			kind: 'unclaimable',
			state: 'approved',
			why: /arguments/,
		});
		t.match(await admission.admit(claiming(approvalId, { definitionDigest: 'other' })), {
			kind: 'unclaimable',
			state: 'approved',
			why: /definition/,
		});
		t.match(await admission.admit({ ...claiming(approvalId), charges: [aCharge({ limit: 0 })] }), { kind: 'budgetExceeded' });
		t.equal((await approvalOf(process.sql, approvalId))['state'], 'approved');
		t.match(await admission.admit(claiming(await anApproval(process.sql, { ttlMs: 0 }))), { kind: 'unclaimable', state: 'expired' });
		t.match(await admission.admit(claiming(await anApproval(process.sql, { state: 'pending' }))), {
			kind: 'unclaimable',
			state: 'pending',
		});
		t.match(await admission.admit(claiming('nonesuch')), { kind: 'unclaimable', state: 'unknown' });

		// Provably not sent: approved again; sent: done, with the answer sealed; unknown: so says the approval.
		const notSent = claiming(approvalId);
		t.match(await admission.admit(notSent), { kind: 'granted' });
		await admission.settle(aSettlement(notSent, 'not_sent'));
		t.equal((await approvalOf(process.sql, approvalId))['state'], 'approved');
		const sent = claiming(approvalId);
		t.match(await admission.admit(sent), { kind: 'granted' });
		await admission.settle(aSettlement(sent, 'sent', { answer: { result: { refund: 're_1' } } }));
		t.equal((await approvalOf(process.sql, approvalId))['state'], 'done');
		const [row] = await process.sql.query<{ sealed: Uint8Array }>('SELECT sealed FROM approvals WHERE id = $1', [approvalId]);
		t.same(openAnswer(keys, approvalId, row!.sealed), { result: { refund: 're_1' } });
		t.notMatch(Buffer.from(row!.sealed).toString('latin1'), /re_1/);
		const broken = { ...claiming(await anApproval(process.sql)), charges: [aCharge({ key: 'k', cost: 7 })] };
		await admission.admit(broken);
		await admission.settle(aSettlement(broken, 'unknown'));
		t.same(await approvalOf(process.sql, broken.claim!.approvalId), { state: 'outcome_unknown', charges: [{ key: 'k', cost: 7 }] });
		t.equal((await process.sql.query('SELECT id FROM intents', [])).length, 0);
	}),
);

t.test('what is reserved, spent and given back adds up, whatever comes in whatever order', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const admission = await anAdmission(t, process);
		const step = fc.record({
			cost: fc.nat(40),
			fate: fc.constantFrom('sent' as const, 'unknown' as const, 'not_sent' as const),
			trueCost: fc.option(fc.nat(60), { nil: undefined }),
			isSettledAtOnce: fc.boolean(),
		});
		const property = fc.asyncProperty(
			fc.array(step, { minLength: 1, maxLength: 25 }),
			fc.integer({ min: 1, max: 200 }),
			async (steps, limit) => {
				const key = randomUUID();
				const model = { spent: 0, reserved: 0, overrun: 0 };
				const open: (() => Promise<void>)[] = [];
				for (const { cost, fate, trueCost, isSettledAtOnce } of steps) {
					const request = aRequest([aCharge({ key, cost, limit }), aCharge({ key: `${key} calls`, limit: 1000, isAttempt: true })]);
					const fits = model.spent + model.reserved + cost <= limit;
					const answer = await admission.admit(request);
					if (answer.kind !== (fits ? 'granted' : 'budgetExceeded')) return false;
					if (!fits) continue;
					model.reserved += cost;
					const settle = async () => {
						await admission.settle(aSettlement(request, fate, { costs: new Map(trueCost === undefined ? [] : [[key, trueCost]]) }));
						const spent = fate === 'not_sent' ? 0 : fate === 'sent' ? (trueCost ?? cost) : cost;
						model.reserved -= cost;
						model.spent += spent;
						model.overrun += Math.max(0, spent - cost);
					};
					if (isSettledAtOnce) await settle();
					else open.push(settle);
				}
				for (const settle of open) await settle();
				const seen = await budgetOf(process.sql, key);
				return JSON.stringify(seen) === JSON.stringify(model) && (await budgetOf(process.sql, `${key} calls`))!.reserved === 0;
			},
		);
		await fc.assert(property, { numRuns: 15 });
	}),
);

t.test('text that the database would not take is recorded all the same, and a poisoned neighbour refused alone', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const faults: unknown[] = [];
		const admission = await anAdmission(t, process, { onFault: (error) => faults.push(error) });
		const odd = anEvent({ tool: `a\0b\ud800${'x'.repeat(10_000)}`, input: { arguments: { text: '\0\u2028\ud800' } } });
		const poisoned = aRequest([aCharge({ key: 'k', cost: 0.5 })]);
		const [first, second, third] = await Promise.allSettled([
			admission.refuse(odd),
			admission.admit(poisoned),
			admission.admit(aRequest()),
		]);
		t.equal(first.status, 'fulfilled');
		t.match(second, { status: 'rejected', reason: { name: 'StoreUnavailable' } });
		t.equal(third.status, 'fulfilled');
		t.equal(faults.length, 1);
		const chain = await readChain(t, process.sql);
		t.same(chain.map(({ event }) => event.id).includes(odd.id), true);
		t.equal(chain.find(({ event }) => event.id === odd.id)!.event.tool, odd.tool, 'the body is exact');
	}),
);

/** A store whose next admission is lost: before the database does it, or after. */
function losing(sql: Sql): Sql & { lose(when: 'before' | 'after', times?: number): void } {
	let when: 'before' | 'after' | undefined;
	let left = 0;
	const lost: Sql = {
		...sql,
		driver: sql.driver,
		listen: (channel, onPayload) => sql.listen(channel, onPayload),
		transaction: (work) => sql.transaction(work),
		nowMs: () => sql.nowMs(),
		close: () => sql.close(),
		async query(text, parameters) {
			if (left === 0 || (when === 'after' && !text.includes('admit('))) return sql.query(text, parameters);
			left -= 1;
			if (when === 'after') await sql.query(text, parameters);
			throw new StoreUnavailable('the connection broke');
		},
	};
	return { ...lost, lose: (at, times = 1) => void ([when, left] = [at, times]) };
}

for (const when of ['before', 'after'] as const) {
	t.test(
		`the connection breaks ${when} the batch is committed: each outcome is recorded once, nothing stays reserved, the gap is told`,
		(t) =>
			eachStore(t, async (t, database) => {
				const process = await aProcess(database);
				const sql = losing(process.sql);
				const faults: unknown[] = [];
				const admission = await anAdmission(t, { ...process, sql }, { onFault: (error) => faults.push(error) });
				const approvalId = await anApproval(sql);
				const earlier = aRequest([aCharge({ cost: 5 })]);
				await admission.admit(earlier);

				sql.lose(when, when === 'before' ? 3 : 1);
				const [admitted, refused, settled] = await Promise.allSettled([
					admission.admit({ ...claiming(approvalId), charges: [aCharge({ cost: 9 }), aCharge({ key: 'calls', isAttempt: true })] }),
					admission.refuse(anEvent({ kind: 'refusal', decision: 'deny' })),
					admission.settle(aSettlement(earlier)),
				]);
				t.match(admitted, { status: 'rejected', reason: { name: 'StoreUnavailable' } });
				t.match(refused, { status: 'rejected', reason: { name: 'StoreUnavailable' } });
				t.equal(settled.status, 'fulfilled', 'the answer to the agent does not wait for the store');
				await admission.settle(aSettlement(aRequest())).catch(() => undefined);
				await admission.close(5_000);

				const chain = await readChain(t, process.sql);
				const outcomes = chain.filter(({ event }) => event.kind === 'outcome' && event.intentId === earlier.event.intentId);
				t.equal(outcomes.length, 1);
				t.equal(chain.filter(({ event }) => event.kind === 'gap').length, 1);
				t.same(await budgetOf(process.sql, 'cents'), { spent: 5, reserved: 0, overrun: 0 });
				t.equal((await approvalOf(process.sql, approvalId))['state'], 'approved', 'the approval is not burned');
				t.equal((await process.sql.query('SELECT id FROM intents', [])).length, 0);
				const orphaned = chain.filter(({ event }) => event.outcome === 'upstream_error' && event.approvalId === approvalId);
				t.equal(orphaned.length, when === 'after' ? 1 : 0, 'what was committed but never forwarded is closed as not sent');
				t.same(await budgetOf(process.sql, 'calls'), when === 'after' ? { spent: 1, reserved: 0, overrun: 0 } : undefined);
			}),
	);
}

t.test('an intent is not closed as unknown while its process lives, whoever found it dead before', (t) =>
	eachStore(t, async (t, database) => {
		const process = await aProcess(database);
		const request = aRequest();
		await (await anAdmission(t, process)).admit(request);
		const [other, event] = ['other', aSettlement(request, 'unknown').event];
		await process.sql.query('INSERT INTO streams (id) VALUES ($1)', [other]);
		const recover = (number: number) =>
			process.sql.query(`SELECT admit($1, $2, $3::jsonb, $4::jsonb, '[]', 1) AS answers`, [
				other,
				number,
				JSON.stringify([eventRow(event, conceal)]),
				JSON.stringify([{ act: 'recover', intent: request.event.intentId, fate: 'unknown' }]),
			]);
		t.same(await recover(1), [{ answers: [{ word: null }] }]);
		await process.sql.query('UPDATE processes SET lease_until = clock_timestamp() WHERE id = $1', [process.stream]);
		t.same(await recover(2), [{ answers: [{ word: '' }] }]);
		await t.rejects(recover(2), { message: /out of turn/ }, 'a number is taken once');
		t.equal((await readChain(t, process.sql)).filter(({ stream }) => stream === other).length, 1);
	}),
);

t.test('a full queue refuses new calls as overloaded, and still takes outcomes', (t) =>
	eachStore(t, async (t, database) => {
		const admission = await anAdmission(t, await aProcess(database), { maxBatch: 2, maxWaiting: 4, onFault: () => undefined });
		const requests = Array.from({ length: 20 }, () => aRequest());
		const answers = await Promise.allSettled(requests.map((request) => admission.admit(request)));
		t.match(
			answers.find(({ status }) => status === 'rejected'),
			{ reason: { name: 'Overloaded' } },
		);
		t.ok(answers.filter(({ status }) => status === 'fulfilled').length >= 4);
		await Promise.all(
			requests.filter((_, n) => answers[n]!.status === 'fulfilled').map((request) => admission.settle(aSettlement(request))),
		);
	}),
);

t.test('a process killed between intent and outcome leaves outcome_unknown once its lease has run out', async (t) => {
	const crash = async (t: Test, store: { dsn: string; dataDir: string }) => {
		const child = spawn(process.execPath, [join(import.meta.dirname, 'grouped-admission.crash-fixture.ts'), JSON.stringify(store)], {
			stdio: ['ignore', 'inherit', 'inherit'],
		});
		const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
		t.equal(signal, 'SIGKILL');
	};
	const check = async (t: Test, sql: Sql) => {
		const stream = randomUUID();
		await sql.query(`INSERT INTO processes (id, name, lease_until) VALUES ($1, 'survivor', clock_timestamp() + interval '1 hour')`, [
			stream,
		]);
		await sql.query(`UPDATE processes SET lease_until = clock_timestamp() + interval '1 hour' WHERE id <> $1`, [stream]);
		const survivors = [await anAdmission(t, { sql, stream }), await anAdmission(t, { sql, stream: randomUUID() })];
		t.equal(await survivors[0]!.recover(), 0, 'while the lease lasts nobody touches it');
		await sql.query(`UPDATE processes SET lease_until = clock_timestamp() WHERE id <> $1`, [stream]);
		const recovered = await Promise.all(survivors.map((survivor) => survivor.recover()));
		// A survivor looks by itself too when it starts, and may have been faster.
		t.ok(recovered[0]! + recovered[1]! <= 1, 'two survivors write it once');
		await until('the outcome', async () => (await sql.query(`SELECT 1 FROM events WHERE kind = 'outcome'`, [])).length > 0);
		const chain = await readChain(t, sql);
		const [intent, outcome] = ['intent', 'outcome'].map((kind) => chain.filter(({ event }) => event.kind === kind));
		t.equal(outcome!.length, 1);
		t.match(outcome![0]!.event, {
			outcome: 'outcome_unknown',
			callId: intent![0]!.event.callId,
			intentId: intent![0]!.event.intentId,
			tool: 'create_refund',
		});
		t.same(await budgetOf(sql, 'cents'), { spent: 12, reserved: 0, overrun: 0 }, 'it counts as spent');
		t.equal((await sql.query<{ state: string }>('SELECT state FROM approvals', []))[0]!.state, 'outcome_unknown');
	};
	await t.test('on the embedded database', async (t) => {
		const dataDir = mkdtempSync(join(tmpdir(), 'toolgate-crash-'));
		t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
		await crash(t, { dsn: '', dataDir });
		const sql = await openStore({ dsn: '', dataDir });
		t.teardown(() => sql.close());
		await check(t, sql);
	});
	await t.test('on PostgreSQL', async (t) => {
		const { startPostgres } = await import('../test/postgres.ts');
		const { dsn } = await startPostgres();
		await crash(t, { dsn, dataDir: '' });
		const sql = await openStore({ dsn, dataDir: '' });
		t.teardown(() => sql.close());
		await check(t, sql);
	});
});
