import { createConceal } from '../conceal.ts';
import type { Keys } from '../keys.ts';
import { type Sql, StoreUnavailable } from '../store/sql.ts';
import { Announcements } from './announcements.ts';
import type { ApprovalView, ApprovalWish, DecideRequest, HoldEnd, Notifier } from './approval.ts';
import { approvalEvent } from './approval-event.ts';
import { ApprovalLedger } from './approval-ledger.ts';
import { Changes, type Onlooker } from './changes.ts';
import { Deciding } from './deciding.ts';
import { Holds } from './hold.ts';
import { WakeUps } from './wake-ups.ts';

export interface ApprovalsOptions {
	readonly sql: Sql;
	/** The stream of this process. */
	readonly stream: string;
	readonly keys: Keys;
	readonly notifiers: readonly Notifier[];
	/** How long a call is held; the approval goes on without it. */
	readonly holdMs: number;
	/** Pending approvals of one principal; more are refused. */
	readonly maxOpen: number;
	/** Where a person finds the approval. */
	readonly urlOf: (approvalId: string) => string;
	/** What goes wrong where nobody waits for it. */
	readonly onFault: (error: unknown) => void;
	readonly sweepEveryMs?: number;
	readonly retryNotifiersAfterMs?: readonly number[];
}

export interface Approvals {
	hold(wish: ApprovalWish): Promise<HoldEnd>;
	/** Nobody is held any more: calls end as pending, and their approvals go on without them. */
	letGo(): void;
	/** @throws {ToolGateError} NOT_FOUND, CONFLICT, FORBIDDEN_APPROVER */
	decide(request: DecideRequest): Promise<ApprovalView>;
	/** @throws {ToolGateError} NOT_FOUND, CONFLICT */
	withdraw(id: string, by: string, reason?: string): Promise<ApprovalView>;
	/** @throws {ToolGateError} NOT_FOUND, CONFLICT */
	resolve(id: string, by: string, hasRun: boolean): Promise<ApprovalView>;
	list(filter: { isOpen: boolean }): Promise<ApprovalView[]>;
	get(id: string): Promise<ApprovalView | undefined>;
	/** Tells of every approval that is opened or changes, on any replica, until the returned function is called. */
	watch(onlooker: Onlooker): () => void;
	/** Writes `expired` where nobody waits, forgets results that are no longer replayed, and has ends told that were not. Runs by itself too. */
	sweep(): Promise<void>;
	close(): Promise<void>;
}

const SWEEP_EVERY_MS = 1_000;

/** The approvals of one process on the shared ledger. @throws {StoreUnavailable} */
export async function createApprovals(options: ApprovalsOptions): Promise<Approvals> {
	const { sql, onFault } = options;
	const nowMs = () => sql.nowMs();
	const ledger = new ApprovalLedger(sql, options.stream, createConceal(options.keys.keyedDigest));
	const wakeUps = new WakeUps();
	const deciding = new Deciding(ledger, nowMs);

	// A store that is away is told where calls meet it; whoever waits looks again when it is back.
	const tellFault = (error: unknown) => {
		if (!(error instanceof StoreUnavailable)) onFault(error);
	};
	const announcements = new Announcements({
		sql,
		notifiers: options.notifiers,
		read: async (id) => (await ledger.get(id))?.view,
		onFault: tellFault,
		...(options.retryNotifiersAfterMs === undefined ? {} : { retryAfterMs: options.retryNotifiersAfterMs }),
	});
	const holds = new Holds({ ...options, ledger, wakeUps, announcements, nowMs });
	const lookAt = async (id: string) => {
		const entry = await ledger.get(id);
		if (entry !== undefined) wakeUps.wake(id, entry);
	};
	const changes = new Changes(async (id) => (await ledger.get(id))?.view, tellFault);
	const stopListening = await sql.listen('toolgate_approvals', (id) => {
		changes.heard(id);
		announcements.changed();
		// An empty id: something may have been missed.
		if (id === '') wakeUps.wakeAll();
		else if (wakeUps.isAwaited(id)) lookAt(id).catch(tellFault);
	});

	const approvals: Approvals = {
		hold: (wish) => holds.hold(wish),
		letGo: () => holds.letGo(),
		decide: (request) => deciding.decide(request),
		withdraw: (id, by, reason) => deciding.withdraw(id, by, reason),
		resolve: (id, by, hasRun) => deciding.resolve(id, by, hasRun),
		list: async (filter) => (await ledger.list(filter)).map(({ view }) => view),
		get: async (id) => (await ledger.get(id))?.view,
		watch: (onlooker) => changes.watch(onlooker),
		async sweep() {
			for (const { view } of await ledger.overdue()) {
				await ledger.end(view.id, 'expired', approvalEvent(view, nowMs(), { outcome: 'expired', detail: { was: view.state } }), {});
			}
			await ledger.forgetResults();
			announcements.changed();
		},
		async close() {
			clearInterval(timer);
			await stopListening();
			await announcements.close();
		},
	};
	let isSweeping = false;
	const timer = setInterval(() => {
		if (isSweeping) return;
		isSweeping = true;
		approvals
			.sweep()
			.catch(tellFault)
			.finally(() => (isSweeping = false));
	}, options.sweepEveryMs ?? SWEEP_EVERY_MS).unref();
	return approvals;
}
