import { randomUUID } from 'node:crypto';
import type { Admission, AdmissionRequest, Admitted, Settlement } from './admission.ts';
import { REPLAY_MS, sealAnswer } from './approvals/replay.ts';
import { BatchWriter, type DeedAnswer } from './batch-writer.ts';
import { createConceal } from './conceal.ts';
import type { JsonObject, TrailEvent } from './domain.ts';
import { StoreUnavailable } from './store/sql.ts';
import type { Keys } from './keys.ts';
import type { Sql } from './store/sql.ts';

export interface AdmissionOptions {
	readonly sql: Sql;
	/** The stream of this process: its id in `processes`. */
	readonly stream: string;
	readonly keys: Keys;
	/** What goes wrong where no caller waits for it. */
	readonly onFault: (error: unknown) => void;
	/** So many events have become durable. */
	readonly onWritten?: (count: number) => void;
	/** How often intents of dead processes are looked for. */
	readonly recoverEveryMs?: number;
	readonly maxBatch?: number;
	readonly maxWaiting?: number;
}

export interface GroupedAdmission extends Admission {
	/** Closes the intents of processes whose lease has run out, each as `outcome_unknown`; returns how many. Runs by itself too. */
	recover(): Promise<number>;
	/** Waits up to `graceMs` until what was given to it is durable. */
	close(graceMs?: number): Promise<void>;
}

const RECOVER_EVERY_MS = 5_000;
const RECOVERED_AT_ONCE = 100;
const CLOSE_GRACE_MS = 5_000;

/** The admission of one process, on its own stream. @throws {StoreUnavailable} */
export async function createAdmission(options: AdmissionOptions): Promise<GroupedAdmission> {
	const { sql, stream, keys, onFault } = options;
	const writer = new BatchWriter({
		sql,
		stream,
		conceal: createConceal(keys.keyedDigest),
		replayMs: REPLAY_MS,
		maxBatch: options.maxBatch ?? 128,
		maxWaiting: options.maxWaiting ?? 4_096,
		onFault,
		onWritten: options.onWritten ?? (() => undefined),
		onOrphans: (intents) => {
			for (const intent of intents) settleOrphan(intent).catch(onFault);
		},
	});
	await writer.open();

	const admission: GroupedAdmission = {
		async admit(request) {
			const answer = await writer.write({ event: request.event, act: admitAct(request), charges: request.charges, mayWait: false });
			return admitted(answer as DeedAnswer, request);
		},

		async settle(settlement) {
			const answer = await writer.write({ event: settlement.event, act: settleAct(settlement, keys), charges: [], mayWait: true });
			if (answer !== 'parked' && answer.word === 'late')
				onFault(new Error(`the intent ${settlement.event.intentId} was closed before its outcome came`));
		},

		async refuse(event) {
			await writer.write({ event, act: { act: 'note' }, charges: [], mayWait: false });
		},

		async recover() {
			let recovered = 0;
			for (;;) {
				const dead = await deadIntents(sql, stream);
				const answers = await Promise.all(
					dead.map(({ intent, writer: who }) =>
						writer.write({
							event: outcomeOf(intent, sql.nowMs(), {
								outcome: 'outcome_unknown',
								message: 'The gateway process that ran this call ended before the outcome was known: the call may have run.',
								detail: { recoveredFrom: who },
							}),
							act: { act: 'recover', intent: intent.intentId!, fate: 'unknown' },
							charges: [],
							mayWait: false,
						}),
					),
				);
				const closed = answers.filter((answer) => answer !== 'parked' && answer.word === '').length;
				recovered += closed;
				if (closed < RECOVERED_AT_ONCE) return recovered;
			}
		},

		async close(graceMs = CLOSE_GRACE_MS) {
			clearInterval(timer);
			await writer.close(graceMs);
		},
	};

	/** The caller was told that nobody knows, and never forwarded the call. */
	const settleOrphan = (intent: TrailEvent): Promise<void> =>
		admission.settle({
			event: outcomeOf(intent, sql.nowMs(), {
				outcome: 'upstream_error',
				message: 'The store went away while the call was admitted: it was not sent.',
			}),
			fate: 'not_sent',
			costs: new Map(),
		});

	const recover = () => {
		admission.recover().catch((error: unknown) => {
			// A store that is away is told where calls meet it; the next round comes.
			if (!(error instanceof StoreUnavailable)) onFault(error);
		});
	};
	const timer = setInterval(recover, options.recoverEveryMs ?? RECOVER_EVERY_MS).unref();
	recover();
	return admission;
}

function admitAct({ event, claim }: AdmissionRequest): JsonObject {
	return { act: 'admit', intent: event.intentId!, ...(claim === undefined ? {} : { claim: { ...claim } }) };
}

function settleAct({ event, fate, costs, answer }: Settlement, keys: Keys): JsonObject {
	const sealed = answer !== undefined && event.approvalId !== undefined ? sealAnswer(keys, event.approvalId, answer) : undefined;
	return {
		act: 'settle',
		intent: event.intentId!,
		fate,
		...(costs.size === 0 ? {} : { costs: Object.fromEntries(costs) }),
		...(sealed === undefined ? {} : { sealed: Buffer.from(sealed).toString('base64') }),
	};
}

function admitted(answer: DeedAnswer, { charges }: AdmissionRequest): Admitted {
	switch (answer.word) {
		case 'granted':
			return { kind: 'granted' };
		case 'budgetExceeded':
			return { kind: 'budgetExceeded', charge: charges[answer.charge!]!, used: answer.used! };
		case 'unclaimable':
			return { kind: 'unclaimable', state: answer.state ?? 'unknown', why: whyUnclaimable(answer), isTaken: isTaken(answer) };
		default:
			throw new Error(`admission answered ${JSON.stringify(answer.word)}`);
	}
}

/** An identical call was faster; it may have given the approval back already. */
function isTaken({ state, is_sent_equal, is_definition_equal }: DeedAnswer): boolean {
	if (state === 'approved') return is_sent_equal === true && is_definition_equal === true;
	return state === 'dispatched' || state === 'done' || state === 'outcome_unknown';
}

function whyUnclaimable({ state, is_sent_equal, is_definition_equal }: DeedAnswer): string {
	switch (state ?? 'unknown') {
		case 'approved':
			if (is_sent_equal !== true) return 'the arguments as they would be sent have changed since it was given';
			if (is_definition_equal !== true) return 'the definition of the tool has changed since it was given';
			return 'an identical call took it and gave it back';
		case 'pending':
			return 'nobody has decided it yet';
		case 'dispatched':
			return 'an identical call is under way with it';
		case 'done':
			return 'it has been used';
		case 'outcome_unknown':
			return 'an identical call was sent with it, and its outcome is unknown';
		case 'unknown':
			return 'there is no such approval';
		default:
			return `it was ${state}`;
	}
}

/** The outcome event of an intent, by someone who has nothing but the intent. */
function outcomeOf(intent: TrailEvent, timeMs: number, fields: Pick<TrailEvent, 'outcome' | 'message' | 'detail'>): TrailEvent {
	const { input: _input, decision: _decision, detail: _detail, rule: _rule, message: _message, ...joined } = intent;
	return { ...joined, id: randomUUID(), kind: 'outcome', timeMs, ...fields };
}

async function deadIntents(sql: Sql, own: string): Promise<{ intent: TrailEvent; writer: string }[]> {
	const rows = await sql.query<{ body: string; stream: string }>(
		`SELECT e.body, i.stream FROM intents i JOIN events e ON e.call_id = i.call_id AND e.intent_id = i.id AND e.kind = 'intent'
		WHERE i.stream <> $1 AND NOT EXISTS (SELECT FROM processes p WHERE p.id = i.stream AND p.lease_until > clock_timestamp())
		LIMIT ${RECOVERED_AT_ONCE}`,
		[own],
	);
	return rows.map(({ body, stream }) => ({ intent: JSON.parse(body) as TrailEvent, writer: stream }));
}
