import { canonicalJson } from '../canonical-json.ts';
import type { Conceal } from '../conceal.ts';
import type { ApprovalRequirement, JsonObject, Reason, TrailEvent } from '../domain.ts';
import { column, eventRow, storable, storableJson } from '../store/event-row.ts';
import type { Sql, SqlRow } from '../store/sql.ts';
import type { ApprovalState, ApprovalView, ApprovalWish, Vote } from './approval.ts';
import { maskedPointers } from './masked.ts';
import { identityOf, requirementsOf } from './requirements.ts';

/** An approval as the ledger knows it at one moment. */
export interface ApprovalEntry {
	readonly view: ApprovalView;
	/** Counts the votes: a vote is judged on what it saw. */
	readonly revision: number;
	/** Its time is over, on the database's clock. */
	readonly isOver: boolean;
	/** Its result is kept for an identical call. */
	readonly isReplayable: boolean;
}

interface ApprovalRow extends SqlRow {
	id: string;
	state: ApprovalState;
	principal: string;
	agent: string;
	session: string | null;
	turn: string | null;
	upstream: string;
	tool: string;
	definition_digest: string;
	arguments_digest: string;
	sent_digest: string;
	recorded: string;
	record_only: string[];
	reasons: Reason[];
	requirements: ApprovalRequirement[];
	votes: Vote[];
	revision: number;
	call_id: string;
	decision_id: string;
	bundle_revision: string;
	requested_at: number;
	expires_at: number;
	decided_at: number | null;
	decided_by: string | null;
	decided_reason: string | null;
	is_over: boolean;
	is_replayable: boolean;
}

const COLUMNS = `id, state, principal, agent, session, turn, upstream, tool, definition_digest, arguments_digest, sent_digest, recorded, record_only, reasons,
	requirements, votes, revision, call_id, decision_id, bundle_revision, requested_at, expires_at, decided_at, decided_by, decided_reason,
	expires_at <= clock_timestamp() AS is_over, state = 'done' AND replay_until > clock_timestamp() AS is_replayable`;
const OPEN = `('pending', 'approved', 'dispatched', 'outcome_unknown')`;
const MAX_LISTED = 500;
const MAX_SWEPT = 100;

/**
 * The statements on approvals. Every transition is one conditional statement that appends its event to the stream of this process in the
 * same transaction, and wakes who waits.
 */
export class ApprovalLedger {
	readonly #sql: Sql;
	readonly #stream: string;
	readonly #conceal: Conceal;

	constructor(sql: Sql, stream: string, conceal: Conceal) {
		this.#sql = sql;
		this.#stream = stream;
		this.#conceal = conceal;
	}

	async get(id: string): Promise<ApprovalEntry | undefined> {
		const [row] = await this.#sql.query<ApprovalRow>(`SELECT ${COLUMNS} FROM approvals WHERE id = $1`, [column(id)]);
		return row && entryOf(row);
	}

	/** The approval that an identical call belongs to: the open one, or the one whose result is still kept. */
	async findIdentical(wish: ApprovalWish): Promise<ApprovalEntry | undefined> {
		const [row] = await this.#sql.query<ApprovalRow>(
			`SELECT ${COLUMNS} FROM approvals WHERE identity = $1 AND (state IN ${OPEN} OR state = 'done' AND replay_until > clock_timestamp())
			ORDER BY requested_at DESC LIMIT 1`,
			[identityOf(wish)],
		);
		return row && entryOf(row);
	}

	/** Newest first; without `isOpen` the ended ones too. */
	async list({ isOpen }: { isOpen: boolean }): Promise<ApprovalEntry[]> {
		const rows = await this.#sql.query<ApprovalRow>(
			`SELECT ${COLUMNS} FROM approvals ${isOpen ? `WHERE state IN ${OPEN}` : ''} ORDER BY requested_at DESC LIMIT ${MAX_LISTED}`,
			[],
		);
		return rows.map(entryOf);
	}

	/** Opens an approval with its decision event; `exists`: an identical one is open; `capped`: the principal has too many. */
	async open(id: string, wish: ApprovalWish, maxOpen: number): Promise<'opened' | 'exists' | 'capped'> {
		const requirements = requirementsOf(wish);
		const { principal, agent, session } = wish.call.caller;
		const recorded = this.#conceal.value(wish.recorded);
		const approval = {
			id,
			identity: identityOf(wish),
			principal: principal.id,
			agent: agent.id,
			session: session.id === undefined ? undefined : this.#conceal.text(session.id),
			turn: session.turn === undefined ? undefined : this.#conceal.text(session.turn),
			upstream: wish.tool.upstream,
			tool: wish.tool.name,
			definition_digest: wish.tool.digest,
			arguments_digest: wish.argumentsDigest,
			sent_digest: wish.sentDigest,
			recorded: canonicalJson(recorded),
			record_only: maskedPointers(wish.sent, recorded),
			reasons: wish.decision.document.reasons.map(({ rule, message }) => ({ rule, message: this.#conceal.text(message) })),
			requirements,
			call_id: wish.call.id,
			decision_id: wish.decision.id,
			bundle_revision: wish.decision.revision,
		};
		const ttlMs = Math.min(...requirements.map(({ ttlSeconds }) => ttlSeconds)) * 1000;
		const [row] = await this.#sql.query<{ answer: 'opened' | 'exists' | 'capped' }>(
			'SELECT open_approval($1, $2::jsonb, $3::jsonb, $4, $5) AS answer',
			[this.#stream, this.#rowText({ ...wish.event, approvalId: id }), storableJson(approval), ttlMs, maxOpen],
		);
		return row!.answer;
	}

	/** Appends an event that changes nothing. */
	async append(event: TrailEvent): Promise<void> {
		await this.#sql.query('SELECT append_event($1, $2::jsonb)', [this.#stream, this.#rowText(event)]);
	}

	/** Adds the last of `votes`; false, and no event, when something happened to the approval since it was read. */
	async vote(
		{ view, revision }: ApprovalEntry,
		next: { state: 'pending' | 'approved' | 'rejected'; votes: readonly Vote[] },
		event: TrailEvent,
	): Promise<boolean> {
		const last = next.votes.at(-1)!;
		return this.#transition(
			`UPDATE approvals SET state = $3, votes = $4::jsonb, revision = revision + 1, decided_at = clock_timestamp(), decided_by = $5, decided_reason = $6
			WHERE id = $7 AND state = 'pending' AND revision = $8 AND expires_at > clock_timestamp()`,
			event,
			[
				next.state,
				storableJson(next.votes.map((vote) => ({ ...vote, ...(vote.reason === undefined ? {} : { reason: this.#said(vote.reason) }) }))),
				last.approver,
				this.#said(last.reason),
				view.id,
				revision,
			],
		);
	}

	/** Ends what waits or waits for its call; false when it was not open any more. `expired` by itself only when its time is over. */
	async end(
		id: string,
		state: 'expired' | 'withdrawn',
		event: TrailEvent,
		{ by, reason, isForced = false }: { by?: string; reason?: string; isForced?: boolean },
	): Promise<boolean> {
		return this.#transition(
			`UPDATE approvals SET state = $3, decided_at = clock_timestamp(), decided_by = $4, decided_reason = $5
			WHERE id = $6 AND state IN ('pending', 'approved') AND ($7 OR expires_at <= clock_timestamp())`,
			event,
			[state, by ?? null, this.#said(reason), id, isForced],
		);
	}

	/** An unknown outcome becomes known; not run: its reservations are given back. False when the outcome was not unknown. */
	async resolve(id: string, hasRun: boolean, by: string, event: TrailEvent): Promise<boolean> {
		const [row] = await this.#sql.query<{ is_resolved: boolean }>('SELECT resolve_approval($1, $2::jsonb, $3, $4, $5) AS is_resolved', [
			this.#stream,
			this.#rowText(event),
			id,
			hasRun,
			by,
		]);
		return row!.is_resolved;
	}

	/** The sealed result; null where it was withheld or too large to keep. */
	async sealed(id: string): Promise<Uint8Array | null> {
		const [row] = await this.#sql.query<{ sealed: Uint8Array | null }>('SELECT sealed FROM approvals WHERE id = $1', [id]);
		return row?.sealed ?? null;
	}

	/** Open approvals whose time is over. */
	async overdue(): Promise<ApprovalEntry[]> {
		const rows = await this.#sql.query<ApprovalRow>(
			`SELECT ${COLUMNS} FROM approvals WHERE state IN ('pending', 'approved') AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT ${MAX_SWEPT}`,
			[],
		);
		return rows.map(entryOf);
	}

	/** Results that can't be replayed any more are not kept. */
	async forgetResults(): Promise<void> {
		await this.#sql.query('UPDATE approvals SET sealed = NULL WHERE sealed IS NOT NULL AND replay_until <= clock_timestamp()', []);
	}

	#rowText(event: TrailEvent): string {
		return JSON.stringify(eventRow(event, this.#conceal));
	}

	/** What a person gave as the reason. */
	#said(reason: string | undefined): string | null {
		return reason === undefined ? null : storable(this.#conceal.text(reason));
	}

	/** `update` begins its own parameters at $3. The event is appended only for a row that the update changed. */
	async #transition(update: string, event: TrailEvent, parameters: (string | number | boolean | null)[]): Promise<boolean> {
		const rows = await this.#sql.query(
			`WITH moved AS (${update} RETURNING id) SELECT append_event($1, $2::jsonb), pg_notify('toolgate_approvals', id) FROM moved`,
			[this.#stream, this.#rowText(event), ...parameters],
		);
		return rows.length > 0;
	}
}

function entryOf(row: ApprovalRow): ApprovalEntry {
	return {
		revision: row.revision,
		isOver: row.is_over,
		isReplayable: row.is_replayable === true,
		view: {
			id: row.id,
			state: row.state,
			principal: row.principal,
			agent: row.agent,
			...(row.session === null ? {} : { session: row.session }),
			...(row.turn === null ? {} : { turn: row.turn }),
			server: row.upstream,
			tool: row.tool,
			arguments: JSON.parse(row.recorded) as JsonObject,
			recordOnly: row.record_only,
			reasons: row.reasons,
			requirements: row.requirements,
			votes: row.votes,
			requestedAtMs: row.requested_at,
			expiresAtMs: row.expires_at,
			...(row.decided_at === null
				? {}
				: {
						decided: {
							atMs: row.decided_at,
							...(row.decided_by === null ? {} : { by: row.decided_by }),
							...(row.decided_reason === null ? {} : { reason: row.decided_reason }),
						},
					}),
			callId: row.call_id,
			decisionId: row.decision_id,
			revision: row.bundle_revision,
			definitionDigest: row.definition_digest,
			argumentsDigest: row.arguments_digest,
			sentDigest: row.sent_digest,
		},
	};
}
