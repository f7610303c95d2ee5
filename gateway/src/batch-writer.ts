import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Conceal } from './conceal.ts';
import type { BudgetCharge, JsonObject, TrailEvent } from './domain.ts';
import { Overloaded } from './errors.ts';
import { eventRow } from './store/event-row.ts';
import { type Sql, StatementFailed, StoreUnavailable } from './store/sql.ts';

/** One event and what it does, as the SQL function `admit` takes it. */
export interface Deed {
	readonly event: TrailEvent;
	readonly act: JsonObject;
	/** What the act reserves; empty unless it admits. */
	readonly charges: readonly BudgetCharge[];
	/** An outcome waits while the store is away; everything else is refused then. */
	readonly mayWait: boolean;
}

/** What `admit` answers for one deed. A word of null: nothing was to be done, nothing is recorded. */
export interface DeedAnswer {
	readonly word: '' | 'granted' | 'budgetExceeded' | 'unclaimable' | 'late' | null;
	readonly charge?: number;
	readonly used?: number;
	readonly state?: string | null;
	readonly is_sent_equal?: boolean | null;
	readonly is_definition_equal?: boolean | null;
}

interface Entry extends Deed {
	resolve(answer: DeedAnswer | 'parked'): void;
	reject(error: Error): void;
}

export interface BatchWriterOptions {
	readonly sql: Sql;
	readonly stream: string;
	readonly conceal: Conceal;
	/** How long the sealed result of a call with an approval can be replayed. */
	readonly replayMs: number;
	/** Deeds per round trip at most. */
	readonly maxBatch: number;
	/** Deeds that wait at most; more are refused as overloaded, outcomes excepted: there are never more of them than calls in flight. */
	readonly maxWaiting: number;
	readonly onFault: (error: unknown) => void;
	/** So many events have become durable. */
	readonly onWritten: (count: number) => void;
	/** Admissions whose caller was told that nobody knows, and which turned out to be committed: they were never forwarded. */
	readonly onOrphans: (intents: readonly TrailEvent[]) => void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const MAX_ATTEMPTS = 3;

/**
 * The one writer of this process. Batches form by themselves while the previous one is in flight. A batch has a number, and the stream
 * takes each number once: after a lost connection the number is given up first, so that a batch that is still under way can't follow.
 */
export class BatchWriter {
	readonly #options: BatchWriterOptions;
	#waiting: Entry[] = [];
	#number = 0;
	#isAway = false;
	#unrecorded = 0;
	#unrecordedSinceMs = 0;
	#running: Promise<void> | undefined;
	readonly #closing = new AbortController();

	constructor(options: BatchWriterOptions) {
		this.#options = options;
	}

	/** Makes the stream where it is not there yet. */
	async open(): Promise<void> {
		const { sql, stream } = this.#options;
		await sql.query('INSERT INTO streams (id) VALUES ($1) ON CONFLICT DO NOTHING', [stream]);
		const [head] = await sql.query<{ batch: number }>('SELECT batch FROM streams WHERE id = $1', [stream]);
		this.#number = Number(head!.batch) + 1;
	}

	/**
	 * Resolves when the deed is durable; with `parked` when it waits for a store that is away.
	 * @throws {StoreUnavailable} it is not recorded, or nobody knows. @throws {Overloaded}
	 */
	write(deed: Deed): Promise<DeedAnswer | 'parked'> {
		const { promise, resolve, reject } = Promise.withResolvers<DeedAnswer | 'parked'>();
		const entry: Entry = { ...deed, resolve, reject };
		const obstacle = this.#isAway
			? new StoreUnavailable('the store is away')
			: this.#isFull()
				? new Overloaded('too many calls wait to be recorded')
				: undefined;
		if (obstacle !== undefined && !deed.mayWait) {
			this.#refuse(entry, obstacle);
			return promise;
		}
		if (this.#isAway) resolve('parked');
		this.#waiting.push(entry);
		this.#running ??= this.#run();
		return promise;
	}

	/** Waits until everything is durable, for `graceMs` at most; what is left then stays unrecorded, and its intents are found after the lease. */
	async close(graceMs: number): Promise<void> {
		const timeout = setTimeout(() => this.#closing.abort(), graceMs);
		await this.#running;
		clearTimeout(timeout);
		this.#closing.abort();
	}

	#isFull(): boolean {
		return this.#waiting.length >= this.#options.maxWaiting;
	}

	#refuse(entry: Entry, error: Error): void {
		if (entry.act['act'] === 'note') {
			if (this.#unrecorded === 0) this.#unrecordedSinceMs = this.#options.sql.nowMs();
			this.#unrecorded += 1;
		}
		entry.reject(error);
	}

	async #run(): Promise<void> {
		// Calls of the same turn of the event loop share the first batch.
		await Promise.resolve();
		while (this.#waiting.length > 0 && !this.#closing.signal.aborted) {
			await this.#commit(this.#waiting.splice(0, this.#options.maxBatch));
			if (this.#waiting.length === 0 && this.#unrecorded > 0) this.#waiting.push(this.#gap());
		}
		// In the same step as the look at the queue: whoever writes next starts the next run.
		this.#running = undefined;
	}

	async #commit(batch: Entry[], attempt = 1): Promise<void> {
		let answers: DeedAnswer[];
		try {
			answers = await this.#admit(batch);
		} catch (error) {
			if (error instanceof StatementFailed && error.sqlState.startsWith('40') && attempt < MAX_ATTEMPTS)
				return this.#commit(batch, attempt + 1);
			if (error instanceof StatementFailed && !isOfTheServer(error)) return this.#isolate(batch, error);
			return this.#outlast(batch, error);
		}
		this.#number += 1;
		for (const [n, entry] of batch.entries()) entry.resolve(answers[n]!);
		this.#options.onWritten(batch.length);
	}

	async #admit(batch: readonly Entry[]): Promise<DeedAnswer[]> {
		const { sql, stream, replayMs, conceal } = this.#options;
		const places = new Map<string, number>();
		const budgets: JsonObject[] = [];
		const acts = batch.map(({ act, charges }) => {
			if (charges.length === 0) return act;
			const placed = charges.map(({ key, rule, unit, limit, cost, windowEndMs, isAttempt }) => {
				let place = places.get(key);
				if (place === undefined) {
					places.set(key, (place = budgets.length));
					budgets.push({ key, rule, unit, ceiling: limit, ends_ms: windowEndMs, is_attempt: isAttempt });
				}
				return [place, cost, limit];
			});
			return { ...act, charges: placed };
		});
		const [row] = await sql.query<{ answers: DeedAnswer[] }>('SELECT admit($1, $2, $3::jsonb, $4::jsonb, $5::jsonb, $6) AS answers', [
			stream,
			this.#number,
			JSON.stringify(batch.map(({ event }) => eventRow(event, conceal))),
			JSON.stringify(acts),
			JSON.stringify(budgets),
			replayMs,
		]);
		return row!.answers;
	}

	/** One deed that the database refuses must not take its neighbours with it. */
	async #isolate(batch: Entry[], error: StatementFailed): Promise<void> {
		if (batch.length > 1) {
			for (const entry of batch) await this.#commit([entry]);
			return;
		}
		this.#options.onFault(error);
		this.#refuse(batch[0]!, new StoreUnavailable('the database refused the record', { cause: error }));
	}

	/** The store is away: refuse what can be refused, keep the outcomes, and go on when it is back. */
	async #outlast(batch: readonly Entry[], cause: unknown): Promise<void> {
		this.#options.onFault(cause);
		this.#isAway = true;
		const away = new StoreUnavailable('the store is away', { cause });
		for (const entry of [...batch, ...this.#waiting]) {
			if (entry.mayWait) entry.resolve('parked');
			else this.#refuse(entry, away);
		}
		this.#waiting = this.#waiting.filter((entry) => entry.mayWait);
		const orphans = await this.#giveUp(batch);
		if (orphans === 'closed') return;
		this.#number += 1;
		this.#isAway = false;
		if (orphans === 'not committed') this.#waiting.unshift(...batch.filter((entry) => entry.mayWait));
		else this.#options.onOrphans(orphans);
		if (this.#unrecorded > 0) this.#waiting.push(this.#gap());
	}

	/** Uses the number of the batch up, and finds out whether the batch had come first; then its intents that nobody will forward. */
	async #giveUp(batch: readonly Entry[]): Promise<TrailEvent[] | 'not committed' | 'closed'> {
		const { sql, stream, onFault } = this.#options;
		for (let pauseMs = FIRST_PAUSE_MS; !this.#closing.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
			await pause(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
			try {
				// A second try after a lost answer would find its own mark: `given_up` tells the two apart.
				const [head] = await sql.query<{ is_given_up: boolean }>(
					`UPDATE streams SET batch = greatest(batch, $2), given_up = CASE WHEN batch < $2 THEN $2 ELSE given_up END
					WHERE id = $1 RETURNING given_up = $2 AS is_given_up`,
					[stream, this.#number],
				);
				if (head!.is_given_up) return 'not committed';
				const intended = new Map(batch.filter(({ act }) => act['act'] === 'admit').map(({ event }) => [event.intentId!, event]));
				const open = await sql.query<{ id: string }>('SELECT id FROM intents WHERE id = ANY ($1)', [[...intended.keys()]]);
				return open.map(({ id }) => intended.get(id)!);
			} catch (error) {
				if (!(error instanceof StoreUnavailable)) onFault(error);
			}
		}
		return 'closed';
	}

	#gap(): Entry {
		const event: TrailEvent = {
			version: 1,
			id: randomUUID(),
			kind: 'gap',
			timeMs: this.#options.sql.nowMs(),
			message: `${this.#unrecorded} refusals could not be recorded`,
			detail: { unrecorded: this.#unrecorded, sinceMs: this.#unrecordedSinceMs },
		};
		this.#unrecorded = 0;
		return { event, act: { act: 'note' }, charges: [], mayWait: true, resolve: () => undefined, reject: this.#options.onFault };
	}
}

/** Read-only, locked or too slow: the fault is not in what is written, and the next try may succeed. */
function isOfTheServer({ sqlState }: StatementFailed): boolean {
	return ['25', '40', '55', '57'].includes(sqlState.slice(0, 2));
}
