import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from '../store/sql.ts';
import type { ApprovalView, Notifier } from './approval.ts';

export interface AnnouncementsOptions {
	readonly sql: Sql;
	readonly notifiers: readonly Notifier[];
	readonly read: (id: string) => Promise<ApprovalView | undefined>;
	/** What no further try mends; a store that is away is told too. */
	readonly onFault: (error: unknown) => void;
	/** Pauses before each further try: by default about ten seconds in all, and then the approval stays open in the inbox all the same. */
	readonly retryAfterMs?: readonly number[];
}

const RETRY_AFTER_MS = [500, 2_000, 8_000];
/** So long an end is left to the process that is telling it. */
const CLAIM_MS = 30_000;
const ENDS_AT_ONCE = 50;
const CLOSE_GRACE_MS = 2_000;

/**
 * Tells the notifiers. Who opened an approval tells of it, and keeps in the store what it was told with; its end is told by whichever process comes
 * first, so that it does not matter where it was decided, or whether the process that opened it is still there.
 */
export class Announcements {
	readonly #options: AnnouncementsOptions;
	readonly #retryAfterMs: readonly number[];
	readonly #closing = new AbortController();
	#telling: Promise<void> | undefined;
	#isMore = false;

	constructor(options: AnnouncementsOptions) {
		this.#options = options;
		this.#retryAfterMs = options.retryAfterMs ?? RETRY_AFTER_MS;
	}

	requested(approval: ApprovalView): void {
		for (const notifier of this.#options.notifiers) void this.#request(notifier, approval).catch(this.#options.onFault);
	}

	/** Approvals may have ended: their notices become terminal. Called many times at once, it looks twice. */
	changed(): void {
		if (this.#options.notifiers.length === 0 || this.#closing.signal.aborted) return;
		this.#isMore = true;
		this.#telling ??= this.#tellEnds().finally(() => (this.#telling = undefined));
	}

	/** What is being told gets a moment to end; what does not is told again by another process. */
	async close(): Promise<void> {
		this.#closing.abort();
		await Promise.race([this.#telling, pause(CLOSE_GRACE_MS, undefined, { ref: false })]);
	}

	async #request(notifier: Notifier, approval: ApprovalView): Promise<void> {
		for (const pauseMs of [...this.#retryAfterMs, undefined]) {
			try {
				const reference = await notifier.requested(approval);
				await this.#options.sql.query(
					'INSERT INTO approval_notices (approval_id, notifier, reference) VALUES ($1, $2, $3) ON CONFLICT (approval_id, notifier) DO NOTHING',
					[approval.id, notifier.name, reference],
				);
				// It may have been decided before this was kept.
				return this.changed();
			} catch (cause) {
				if (pauseMs === undefined || this.#closing.signal.aborted) return this.#gaveUp(notifier, cause);
				await pause(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
				// Nobody is asked any more about what was decided meanwhile.
				const now = await this.#options.read(approval.id);
				if (now !== undefined && now.state !== 'pending') return;
			}
		}
	}

	async #tellEnds(): Promise<void> {
		try {
			while (this.#isMore && !this.#closing.signal.aborted) {
				this.#isMore = false;
				const due = await this.#claim();
				if (due.length === ENDS_AT_ONCE) this.#isMore = true;
				await Promise.all(due.map((notice) => this.#tellEnd(notice)));
			}
		} catch (error) {
			// Whoever sweeps next tries again.
			this.#options.onFault(error);
		}
	}

	async #claim(): Promise<Notice[]> {
		const { sql, notifiers } = this.#options;
		return sql.query<Notice>(
			`UPDATE approval_notices SET tries = tries + 1, try_at = clock_timestamp() + ${CLAIM_MS} * interval '1 millisecond'
			WHERE try_at <= clock_timestamp() AND (approval_id, notifier) IN (
				SELECT n.approval_id, n.notifier FROM approval_notices n JOIN approvals a ON a.id = n.approval_id
				WHERE a.state <> 'pending' AND n.try_at <= clock_timestamp() AND n.notifier IN (SELECT jsonb_array_elements_text($1::jsonb))
				ORDER BY n.try_at LIMIT ${ENDS_AT_ONCE}
			) RETURNING approval_id, notifier, reference, tries`,
			[JSON.stringify(notifiers.map(({ name }) => name))],
		);
	}

	async #tellEnd({ approval_id: id, notifier: name, reference, tries }: Notice): Promise<void> {
		const { sql, read, notifiers } = this.#options;
		const notifier = notifiers.find((one) => one.name === name)!;
		try {
			const approval = await read(id);
			if (approval !== undefined) await notifier.ended(approval, reference);
		} catch (cause) {
			const pauseMs = this.#retryAfterMs[tries - 1];
			if (pauseMs !== undefined) {
				await sql.query(
					`UPDATE approval_notices SET try_at = clock_timestamp() + $3 * interval '1 millisecond' WHERE approval_id = $1 AND notifier = $2`,
					[id, name, pauseMs],
				);
				return;
			}
			this.#gaveUp(notifier, cause);
		}
		await sql.query('DELETE FROM approval_notices WHERE approval_id = $1 AND notifier = $2', [id, name]);
	}

	#gaveUp(notifier: Notifier, cause: unknown): void {
		this.#options.onFault(
			new Error(`the notifier ${notifier.name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }),
		);
	}
}

interface Notice extends Record<string, string | number> {
	approval_id: string;
	notifier: string;
	reference: string;
	tries: number;
}
