import type { JsonObject, TrailEvent } from '../../src/domain.ts';
import type { AdmissionWord } from '../../src/audit/recorded-event.ts';

/** A trail as months of several teams' agents would leave one: mostly allowed, sometimes asked, denied or over budget, and one bad afternoon of an upstream. */

export interface Written {
	readonly event: TrailEvent;
	readonly admission: AdmissionWord;
}

/** From 0 to 1. */
export type Random = () => number;

const TOOLS = [
	['stripe', 'list_recent_charges', 40],
	['stripe', 'get_customer', 22],
	['stripe', 'create_refund', 6],
	['stripe', 'delete_customer', 2],
	['lark', 'send_lark_message', 10],
	['files', 'read_text_file', 14],
	['files', 'write_file', 5],
] as const;
const AGENTS = ['billing-bot', 'support-triage', 'refund-desk', 'night-audit', 'dunning', 'onboarding', 'reporting', 'ops-runner'];
const PEOPLE = ['alice', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy', 'mallory', 'niaj', 'olivia'];
const DAY_MS = 86_400_000;
const REVISION = `sha256:${'51d5822f'.repeat(8)}`;

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]!;

function pickTool(random: Random): readonly [server: string, tool: string] {
	let at = random() * TOOLS.reduce((sum, [, , weight]) => sum + weight, 0);
	for (const [server, tool, weight] of TOOLS) if ((at -= weight) < 0) return [server, tool];
	return ['stripe', 'get_customer'];
}

/** Most of it in the working hours of a day, less at weekends. */
export function aTime(random: Random, fromMs: number, toMs: number): number {
	for (;;) {
		const ms = Math.floor(fromMs + random() * (toMs - fromMs));
		const hour = (ms % DAY_MS) / 3_600_000;
		const isWeekend = [0, 6].includes(new Date(ms).getUTCDay());
		if (random() < (0.12 + 0.88 * Math.exp(-(((hour - 14) / 4) ** 2))) * (isWeekend ? 0.35 : 1)) return ms;
	}
}

/** The events of one call that began at `ms`. @param isBad its upstream is down just then */
export function eventsOf(random: Random, ms: number, isBad: boolean): Written[] {
	const id = () => uuid(random);
	const [server, tool] = pickTool(random);
	const principal = `${pick(random, PEOPLE)}@example.com`;
	const agent = pick(random, AGENTS);
	const amount = 100 * Math.ceil(random() * 900);
	const base = {
		version: 1,
		callId: id(),
		decisionId: id(),
		principal,
		agent,
		session: `${agent}-${principal.slice(0, 3)}-${Math.floor(ms / (DAY_MS / 4))}`,
		turn: `turn-${Math.floor(ms / 120_000)}`,
		server,
		tool,
		revision: REVISION,
	} as const;
	const input: JsonObject = {
		version: 1,
		method: 'tools/call',
		principal: { id: principal, kind: 'user', groups: ['support'], claims: {} },
		agent: { id: agent, name: agent, version: '1.4.0' },
		server: { name: server },
		tool: { name: tool, definitionDigest: `sha256:${'cd'.repeat(32)}`, pinned: true },
		arguments: tool === 'create_refund' ? { charge: `ch_${id().slice(0, 8)}`, amount } : { customer: `cus_${id().slice(0, 8)}`, limit: 10 },
		argumentsDigest: `hmac-sha256:01234567:${'ef'.repeat(32)}`,
		argumentsBytes: 62,
		environment: 'production',
	};
	const written: Written[] = [];
	const say = (atMs: number, fields: Omit<TrailEvent, 'id' | 'timeMs' | 'version'>, admission: AdmissionWord = '') =>
		written.push({ event: { ...base, id: id(), timeMs: Math.floor(atMs), ...fields }, admission });
	const run = (atMs: number, word: 'ok' | 'tool_error' | 'upstream_error' | 'upstream_timeout', approvalId?: string) => {
		const more = { intentId: id(), ...(approvalId === undefined ? {} : { approvalId }) };
		const tookMs = Math.floor(word === 'upstream_timeout' ? 30_000 : 8 + 240 * random() ** 3);
		const reservations = [
			{ key: `["limits.hour","calls","principal=${principal}"]`, rule: 'limits.hour', unit: 'calls', cost: 1, limit: 1000 },
		];
		say(atMs, { kind: 'intent', decision: 'allow', input, detail: { reservations }, ...more }, 'granted');
		const detail = {
			durationMs: tookMs,
			...(word === 'ok' ? { resultBytes: Math.floor(200 + random() * 9_000) } : { why: 'connection refused' }),
		};
		say(atMs + tookMs, { kind: 'outcome', outcome: word, detail, ...more });
	};
	const chance = random();
	if (tool === 'delete_customer') {
		say(ms, {
			kind: 'refusal',
			decision: 'deny',
			rule: 'payments.delete',
			message: 'Denied by policy: customers are not deleted by agents.',
			input,
			detail: { durationMs: 1 },
		});
	} else if (tool === 'create_refund') {
		const approvalId = id();
		const asked = { rule: 'payments.refund', message: 'a refund moves money: a person must agree', approvalId };
		say(ms, { kind: 'decision', decision: 'approvalRequired', input, ...asked });
		const answeredMs = ms + 4_000 + random() * 240_000;
		if (chance < 0.8) {
			say(answeredMs, {
				kind: 'approval',
				outcome: 'approved',
				...asked,
				message: 'the customer is right',
				detail: { attempt: 'approve', by: 'bob@example.com', via: 'inbox', missing: 0 },
			});
			run(answeredMs + 20, 'ok', approvalId);
		} else {
			const word = chance < 0.92 ? 'rejected' : 'expired';
			say(answeredMs, {
				kind: 'approval',
				outcome: word,
				...asked,
				detail: word === 'rejected' ? { attempt: 'reject', by: 'bob@example.com', via: 'inbox' } : {},
			});
			say(answeredMs + 5, {
				kind: 'refusal',
				decision: 'approvalRequired',
				outcome: word,
				...asked,
				input,
				detail: { durationMs: Math.floor(answeredMs - ms) },
			});
		}
	} else if (chance < 0.03) {
		const reservations = [
			{ key: `["limits.hour","calls","principal=${principal}"]`, rule: 'limits.hour', unit: 'calls', cost: 1, limit: 1000 },
		];
		say(ms, { kind: 'intent', intentId: id(), decision: 'allow', input, detail: { reservations } }, 'budgetExceeded');
	} else if (chance < 0.04) {
		say(ms, { kind: 'refusal', outcome: 'invalid_arguments', message: 'arguments: customer is missing', detail: { durationMs: 0 } });
	} else {
		run(
			ms,
			isBad && server === 'stripe' && chance < 0.8
				? 'upstream_error'
				: chance < 0.06
					? 'tool_error'
					: chance < 0.063
						? 'upstream_timeout'
						: 'ok',
		);
	}
	return written;
}

/** Version 4 in form; as random as `random`. */
function uuid(random: Random): string {
	const hex = (digits: number) =>
		Math.floor(random() * 16 ** digits)
			.toString(16)
			.padStart(digits, '0');
	return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
}
