import { randomUUID } from 'node:crypto';
import type { Admission, Admitted } from './admission.ts';
import type { HoldEnd } from './approvals/approval.ts';
import { changedPaths } from './changed-paths.ts';
import type {
	Answer,
	BudgetCharge,
	Capability,
	DecidedRequest,
	Decision,
	EventKind,
	JsonObject,
	Outcome,
	Reason,
	TrailEvent,
} from './domain.ts';
import { numberAt } from './json-pointer.ts';
import { refusals } from './refusals.ts';
import type { UpstreamAnswer } from './upstreams/upstream-call.ts';

/** A name that nobody offers is the agent's own text: enough of it to recognise. */
const MAX_NAME_CHARACTERS = 200;

/** What is known of one decided request so far; makes its events, and closes it exactly once. */
export class CallRecord {
	readonly call: DecidedRequest;
	readonly #nowMs: () => number;
	/** When the call came, in milliseconds on the database's clock. */
	readonly startedMs: number;
	argumentsDigest = '';
	/** Of the bundle that judged last; empty before any did. */
	revision = '';
	capability: Capability | undefined;
	#decision: Decision | undefined;
	#input: JsonObject | undefined;
	#redacted: readonly string[] = [];
	#approvalId: string | undefined;
	#charges: readonly BudgetCharge[] = [];
	#intentId: string | undefined;
	#progress: 'open' | 'refused in admission' | 'intended' = 'open';
	#fate: 'sent' | 'unknown' | 'not_sent' = 'unknown';
	#costs = new Map<string, number>();
	#why: string | undefined;
	#resultBytes: number | undefined;

	constructor(call: DecidedRequest, nowMs: () => number) {
		this.call = call;
		this.#nowMs = nowMs;
		this.startedMs = nowMs();
	}

	/** True once the upstream may have heard of the call. */
	get isIntended(): boolean {
		return this.#progress === 'intended';
	}

	/** What was decided before does not speak for the round that begins. */
	resolving(revision: string): void {
		this.revision = revision;
		this.capability = undefined;
		this.#decision = undefined;
		this.#input = undefined;
		this.#redacted = [];
		this.#intentId = undefined;
		this.#charges = [];
		this.#progress = 'open';
	}

	decided(decision: Decision, input: JsonObject, recorded: JsonObject): void {
		this.#decision = decision;
		this.#input = { ...input, arguments: recorded };
		// Whoever decides it again has to know what is not as it was; mostly everything is.
		this.#redacted = recorded === this.call.arguments ? [] : changedPaths(this.call.arguments, recorded);
	}

	held(end: HoldEnd): void {
		if (end.kind !== 'capped') this.#approvalId = end.approvalId;
	}

	intent(charges: readonly BudgetCharge[]): TrailEvent {
		this.#intentId = randomUUID();
		this.#charges = charges;
		const reservations = charges.map(({ key, rule, unit, cost, limit }) => ({ key, rule, unit, cost, limit }));
		return this.event('intent', { decision: 'allow', ...(charges.length > 0 ? { detail: { reservations } } : {}) });
	}

	admitted(admitted: Admitted): void {
		this.#progress = admitted.kind === 'granted' ? 'intended' : 'refused in admission';
	}

	answered(answer: UpstreamAnswer): void {
		if (answer.kind === 'answered') {
			this.#fate = 'sent';
			this.#resultBytes = answer.bytes;
			return;
		}
		this.#fate = answer.kind === 'not_sent' ? 'not_sent' : answer.kind === 'too_large' ? 'sent' : 'unknown';
		this.#why = answer.why;
	}

	/** The result before redaction: the true costs are read from what the upstream said. */
	returned(result: JsonObject): void {
		for (const charge of this.#charges) {
			if (charge.settlePointer === undefined) continue;
			const cost = numberAt(result, charge.settlePointer);
			if (cost !== undefined && Number.isSafeInteger(cost) && cost >= 0) this.#costs.set(charge.key, cost);
		}
	}

	event(kind: EventKind, fields: Partial<TrailEvent>): TrailEvent {
		const { call, capability } = this;
		const { principal, agent, session } = call.caller;
		const leading = this.#leadingReason();
		return {
			version: 1,
			id: randomUUID(),
			kind,
			timeMs: this.#nowMs(),
			callId: call.id,
			principal: principal.id,
			agent: agent.id,
			...(session.id === undefined ? {} : { session: session.id }),
			...(session.turn === undefined ? {} : { turn: session.turn }),
			...(capability === undefined ? {} : { server: capability.upstream }),
			tool: capability?.name ?? this.#saidName(),
			...(this.#decision === undefined ? {} : { decisionId: this.#decision.id }),
			...(this.#intentId === undefined ? {} : { intentId: this.#intentId }),
			...(this.#approvalId === undefined ? {} : { approvalId: this.#approvalId }),
			...(leading === undefined ? {} : { rule: leading.rule, message: leading.message }),
			...(this.revision === '' ? {} : { revision: this.revision }),
			...(kind === 'outcome' ? {} : { input: this.#input ?? this.#undecidedInput() }),
			...fields,
			...(kind === 'outcome' || this.#redacted.length === 0 ? {} : { detail: { ...fields.detail, redacted: [...this.#redacted] } }),
		};
	}

	#saidName(): string {
		const { name, message } = this.call;
		const said = name.slice(0, MAX_NAME_CHARACTERS);
		return message['method'] === 'tools/call' ? said : `${String(message['method'])} ${said}`;
	}

	/** Why the call is not simply let through. Budgets that had room say nothing: they stand among the reservations. */
	#leadingReason(): Reason | undefined {
		const document = this.#decision?.document;
		return document?.verdict === 'deny' || document?.verdict === 'approvalRequired' ? document.reasons[0] : undefined;
	}

	/** Without a decision nobody has said what may be recorded of the arguments: only their digest and size. */
	#undecidedInput(): JsonObject {
		return { argumentsDigest: this.argumentsDigest, argumentsBytes: this.call.argumentsBytes };
	}

	/** The one exit of a call: its last event is written here, whatever happened. */
	async close(outcome: Outcome, admission: Admission, onFault: (error: unknown) => void): Promise<Outcome> {
		if (this.#progress === 'refused in admission') return outcome;
		const ended = this.#ended(outcome);
		try {
			if (this.#progress === 'intended') {
				await admission.settle({
					event: this.event('outcome', ended),
					fate: this.#fate,
					costs: this.#costs,
					...(this.#approvalId !== undefined && outcome.kind === 'answered' && !isAsking(outcome.answer) ? { answer: outcome.answer } : {}),
				});
			} else {
				await admission.refuse(this.event('refusal', ended));
			}
		} catch (error) {
			onFault(error);
			// A refusal stands without its record (the gap is recorded later); an answer does not leave unrecorded.
			if (outcome.kind === 'answered') return refusals.auditUnavailable(this.isIntended);
		}
		return outcome;
	}

	#ended(outcome: Outcome): Partial<TrailEvent> {
		const durationMs = Math.max(0, Math.round(this.#nowMs() - this.startedMs));
		const detail: JsonObject = { durationMs };
		if (this.#resultBytes !== undefined) detail['resultBytes'] = this.#resultBytes;
		if (this.#why !== undefined) detail['why'] = this.#why;
		const said = outcome.kind === 'refused' ? { message: outcome.text, ...(outcome.rule === undefined ? {} : { rule: outcome.rule }) } : {};
		if (this.isIntended) return { outcome: outcome.word, detail, ...said };
		if (outcome.word === 'deny' || outcome.word === 'budgetExceeded') return { decision: outcome.word, detail, ...said };
		const waited = this.#decision?.document.verdict === 'approvalRequired' || this.#approvalId !== undefined;
		return { ...(waited ? { decision: 'approvalRequired' as const } : {}), outcome: outcome.word, detail, ...said };
	}
}

/** An answer that asks the agent something (2026-07-28, multi round-trip requests) ends nothing: its repeat must not be answered with it. */
const isAsking = (answer: Answer): boolean => 'result' in answer && answer.result['resultType'] === 'input_required';
