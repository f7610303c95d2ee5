import { randomUUID } from 'node:crypto';
import type { Keys } from '../keys.ts';
import type { Announcements } from './announcements.ts';
import type { ApprovalView, ApprovalWish, HoldEnd } from './approval.ts';
import { approvalEvent } from './approval-event.ts';
import type { ApprovalEntry, ApprovalLedger } from './approval-ledger.ts';
import { openAnswer } from './replay.ts';
import { changedSince, releasesOf } from './requirements.ts';
import { reportWaiting } from './waiting-progress.ts';
import type { WakeUps } from './wake-ups.ts';

export interface HoldDeps {
	readonly ledger: ApprovalLedger;
	readonly wakeUps: WakeUps;
	readonly announcements: Announcements;
	readonly keys: Keys;
	readonly nowMs: () => number;
	readonly holdMs: number;
	/** Pending approvals of one principal; more are refused. */
	readonly maxOpen: number;
	/** Where a person finds the approval. */
	readonly urlOf: (approvalId: string) => string;
}

/** How long one call may take an approval before an identical one that waits beside it tries. */
const TURN_MS = 2_000;
/** The process's idea of the database's clock may be ahead of it. */
const LOOK_AGAIN_MS = 20;
const MAX_ATTEMPTS = 10;

/** It can still be decided, or used. */
const isOpen = ({ state }: ApprovalView): boolean => state === 'pending' || state === 'approved';

/** Holds calls until a person has decided, the approval has ended, or the hold is over. */
export class Holds {
	readonly #deps: HoldDeps;
	/** Until when another identical call here leaves an approval to the one that was let go. */
	readonly #taken = new Map<string, number>();
	#isLettingGo = false;

	constructor(deps: HoldDeps) {
		this.#deps = deps;
	}

	/** @throws {StoreUnavailable} @throws {PolicyError} an approval is required, but of nobody. */
	async hold(wish: ApprovalWish): Promise<HoldEnd> {
		const untilMs = wish.sinceMs + (wish.call.waits === false ? 0 : this.#deps.holdMs);
		const joined = await this.#join(wish);
		if (typeof joined !== 'string') return joined;
		const stop = untilMs > this.#deps.nowMs() ? reportWaiting(wish.call) : () => undefined;
		try {
			return await this.#wait(joined, wish.call.downstream.cancelled, untilMs);
		} finally {
			stop();
		}
	}

	/** Every hold ends, also later ones: the process is about to, and a person may take an hour. */
	letGo(): void {
		this.#isLettingGo = true;
		this.#deps.wakeUps.wakeAll();
	}

	/** The id of the approval that this call belongs to from now on, its decision event recorded with it. */
	async #join(wish: ApprovalWish): Promise<string | Extract<HoldEnd, { kind: 'capped' }>> {
		const { ledger, announcements, maxOpen } = this.#deps;
		for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
			const found = await ledger.findIdentical(wish);
			if (found === undefined) {
				const id = randomUUID();
				const answer = await ledger.open(id, wish, maxOpen);
				if (answer === 'capped') return { kind: 'capped', open: maxOpen };
				if (answer === 'exists') continue;
				const opened = await ledger.get(id);
				if (opened !== undefined) announcements.requested(opened.view);
				return id;
			}
			const { view, isOver } = found;
			if (isOpen(view)) {
				const changed = isOver ? undefined : changedSince(view, wish);
				if (isOver || changed !== undefined) {
					await this.#expire(view, changed);
					continue;
				}
			}
			await ledger.append({ ...wish.event, approvalId: view.id });
			return view.id;
		}
		throw new Error('the approval of this call changes faster than it can be read');
	}

	async #wait(id: string, cancelled: AbortSignal, untilMs: number): Promise<HoldEnd> {
		const { ledger, wakeUps, nowMs, urlOf } = this.#deps;
		const watch = wakeUps.watch(id);
		try {
			let news: ApprovalEntry | undefined;
			for (;;) {
				const entry = news ?? (await ledger.get(id));
				if (entry === undefined) throw new Error(`the approval ${id} is gone`);
				if (entry.isOver && isOpen(entry.view)) {
					await this.#expire(entry.view);
					news = undefined;
					continue;
				}
				const ended = await this.#endOf(entry);
				if (ended !== undefined) return ended;
				const leftMs = untilMs - nowMs();
				if (leftMs <= 0 || cancelled.aborted || this.#isLettingGo)
					return { kind: 'pending', approvalId: id, url: urlOf(id), isUnderWay: entry.view.state === 'dispatched' };
				news = await watch.next(Math.min(leftMs, this.#lookAgainMs(entry)), cancelled);
			}
		} finally {
			watch.close();
		}
	}

	/** How the wait ends with what is known; undefined: it goes on. */
	async #endOf({ view, isReplayable }: ApprovalEntry): Promise<HoldEnd | undefined> {
		const { ledger, keys, nowMs } = this.#deps;
		const approvalId = view.id;
		switch (view.state) {
			case 'pending':
			case 'dispatched':
				return undefined;
			case 'approved':
				if ((this.#taken.get(approvalId) ?? 0) > nowMs()) return undefined;
				this.#take(approvalId);
				return { kind: 'approved', approvalId, releases: releasesOf(view) };
			case 'rejected':
			case 'expired':
			case 'withdrawn': {
				const { by, reason } = view.decided ?? {};
				return { kind: view.state, approvalId, ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) };
			}
			case 'outcome_unknown':
				return { kind: 'outcome_unknown', approvalId };
			case 'done':
				// Over a while ago, or settled by a person: a call from now on is a new one.
				if (!isReplayable) return { kind: 'pending', approvalId, url: this.#deps.urlOf(approvalId), isUnderWay: false };
				return { kind: 'replayed', approvalId, answer: openAnswer(keys, approvalId, await ledger.sealed(approvalId)) };
		}
	}

	/** An approval runs one call; the others that wait for it want its result, and only try when that call did not use it. */
	#take(id: string): void {
		const nowMs = this.#deps.nowMs();
		for (const [other, untilMs] of this.#taken) if (untilMs <= nowMs) this.#taken.delete(other);
		this.#taken.set(id, nowMs + TURN_MS);
	}

	#lookAgainMs({ view }: ApprovalEntry): number {
		if (view.state === 'dispatched') return Infinity;
		const endsInMs = Math.max(LOOK_AGAIN_MS, view.expiresAtMs - this.#deps.nowMs());
		return view.state === 'approved' ? Math.min(TURN_MS, endsInMs) : endsInMs;
	}

	async #expire(view: ApprovalView, changed?: string): Promise<void> {
		const { ledger, nowMs } = this.#deps;
		const event = approvalEvent(view, nowMs(), {
			outcome: 'expired',
			...(changed === undefined ? {} : { message: changed }),
			detail: { was: view.state },
		});
		await ledger.end(view.id, 'expired', event, changed === undefined ? {} : { reason: changed, isForced: true });
	}
}
