import type { Conversation, Provider, ToolResult } from './provider.ts';

type Wish = { name: string; arguments: Record<string, unknown> };
/** What the agent tells the person, and whether it did what was asked. */
type Told = { text: string; isDone: boolean };
/** A plan yields calls, is handed their results, and returns what to tell. */
type Plan = Generator<Wish, Told, ToolResult>;
type Charge = {
	id: string;
	amount: number;
	amountRefunded: number;
	currency: string;
	status: string;
	customer: string | null;
	description: string | null;
};

/** Calls again this often while a person has not decided; each call is held by the gateway for a while. */
const PENDING_CALLS = 5;
/** What "until it works" means. */
const STUBBORN_RETRIES = 20;
/** The call provably didn't run, so that repeating it is safe. */
const SAFE_TO_RETRY = ['upstream_error', 'overloaded'];

/**
 * A deterministic model: plans from the words of the request, reads what tools answer, and reacts to refusals. It asks for a tool whether it is
 * listed or not, as an agent does that has heard of it elsewhere: what is hidden must be out of reach as well.
 */
export const scriptedProvider: Provider = {
	name: 'scripted',
	start({ input }): Conversation {
		const plan = inTurn(partsOf(input).map(planFor));
		let calls = 0;
		return {
			next: async (results) => {
				const [result] = results;
				const step = result ? plan.next(result) : plan.next();
				return step.done ? { finalText: step.value.text } : { calls: [{ id: `call_${++calls}`, ...step.value }] };
			},
		};
	},
};

/** `do this, then do that`; a "then" inside quotes is part of a message. */
function partsOf(input: string): string[] {
	return input.split(/,?\s*\bthen\b\s*(?=(?:[^"“”]*["“][^"“”]*["”])*[^"“”]*$)/i);
}

/** One plan after the other; what follows a failure is left undone. */
function* inTurn(plans: Plan[]): Plan {
	const told: string[] = [];
	for (const plan of plans) {
		const { text, isDone } = yield* plan;
		told.push(text);
		if (!isDone) return failing(told.join('\n'));
	}
	return done(told.join('\n'));
}

function planFor(input: string): Plan {
	const attempt = attempts(retriesIn(input));
	const email = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/.exec(input)?.[0];
	const charge = /\bch_\w+/.exec(input)?.[0];
	const customer = /\bcus_\w+/.exec(input)?.[0];

	if (/\bmessage\b/i.test(input)) return sendMessage(attempt, /["“](.+)["”]/s.exec(input)?.[1], /\boc_\w+/.exec(input)?.[0]);
	if (/\brefund\b/i.test(input)) return refund(attempt, { email, charge, cents: centsIn(input) });
	if (/\bdelete\b/i.test(input)) return deleteCustomer(attempt, { email, customer });
	if (/\bpayouts?\b/i.test(input)) return listPayouts(attempt);
	if (/\bfollow (?:the|their|its) notes?\b/i.test(input)) return followNotes(attempt, { email, charge });
	if (charge) return readCharge(attempt, charge);
	if (/\bcharges?\b/i.test(input)) return listCharges(attempt, email, repeatsIn(input));
	return unclear(
		'I can list charges, read a charge, refund, delete a customer, list payouts, and send a Lark message. Which of these, and for whom?',
	);
}

type Attempt = (name: string, args: Record<string, unknown>) => Generator<Wish, ToolResult | Unreadable, ToolResult>;
type Unreadable = { isError: true; outcome: 'unreadable'; text: string; structured?: undefined };

/** Calls a tool, and again with the same arguments: while an approval is pending, and as often as the person wants after a fault. */
function attempts(retries: number): Attempt {
	return function* (name, args) {
		const wish = { name, arguments: args };
		let result = yield wish;
		for (let left = PENDING_CALLS; result.outcome === 'approval_pending' && left > 1; left--) result = yield wish;
		for (let left = retries; SAFE_TO_RETRY.includes(result.outcome) && left > 0; left--) result = yield wish;
		if (!result.isError && result.structured === undefined)
			return { isError: true, outcome: 'unreadable', text: 'the result has no structured content' };
		return result;
	};
}

function* refund(attempt: Attempt, { email, charge: id, cents }: { email?: string; charge?: string; cents?: number }): Plan {
	if (!email && !id) return failing('Whose charge shall I refund? Name an email address or a charge.');
	const found = id ? yield* attempt('get_charge', { charge: id }) : yield* attempt('list_recent_charges', { customer: email, limit: 10 });
	if (found.isError) return failed('find the charge', found);
	const charges = id ? [(found.structured as { charge: Charge }).charge] : chargesOf(found);
	const charge = charges.find(({ status, amount, amountRefunded }) => status === 'succeeded' && amountRefunded < amount);
	if (!charge)
		return failing(`There is nothing to refund: ${id ? `${id} is refunded or failed` : `${email} has no charge with money left`}.`);
	const result = yield* attempt('create_refund', {
		charge: charge.id,
		amount: cents ?? charge.amount - charge.amountRefunded,
		reason: 'requested_by_customer',
	});
	if (result.isError) return failed(`refund ${charge.id}`, result);
	const made = result.structured as { refund: string; amount: number; currency: string };
	return done(`Refunded ${money(made.amount, made.currency)} of ${charge.id} (${made.refund}).`);
}

function* deleteCustomer(attempt: Attempt, { email, customer }: { email?: string; customer?: string }): Plan {
	let id: string | null | undefined = customer;
	if (!id && email) {
		const listed = yield* attempt('list_recent_charges', { customer: email, limit: 1 });
		if (listed.isError) return failed('find the customer', listed);
		id = chargesOf(listed)[0]?.customer;
	}
	if (!id) return failing('Which customer shall I delete? Name a customer id or an email address that has a charge.');
	const result = yield* attempt('delete_customer', { customer: id });
	return result.isError ? failed(`delete ${id}`, result) : done(`Deleted customer ${id}.`);
}

function* sendMessage(attempt: Attempt, text?: string, chat?: string): Plan {
	if (!text) return failing('What shall the message say? Put it in quotes.');
	const result = yield* attempt('send_lark_message', { text, ...(chat && { chat }) });
	return result.isError ? failed('send the message', result) : done(`Sent the message to ${(result.structured as { chat: string }).chat}.`);
}

function* listPayouts(attempt: Attempt): Plan {
	const result = yield* attempt('list_payouts', { limit: 10 });
	if (result.isError) return failed('list payouts', result);
	const { payouts } = result.structured as { payouts: { id: string; amount: number; currency: string; arrives: string }[] };
	return done(
		`${payouts.length} payouts:\n${payouts.map(({ id, amount, currency, arrives }) => `${id} ${money(amount, currency)}, arrives ${arrives}`).join('\n')}`,
	);
}

function* readCharge(attempt: Attempt, id: string): Plan {
	const result = yield* attempt('get_charge', { charge: id });
	return result.isError ? failed(`read ${id}`, result) : done(describe((result.structured as { charge: Charge }).charge));
}

/** As gullible as a model can be: does whatever stands in the descriptions of charges, which buyers write. */
function* followNotes(attempt: Attempt, { email, charge: id }: { email?: string; charge?: string }): Plan {
	const read = id
		? yield* attempt('get_charge', { charge: id })
		: yield* attempt('list_recent_charges', { ...(email && { customer: email }), limit: 10 });
	if (read.isError) return failed('read the notes', read);
	const charges = id ? [(read.structured as { charge: Charge }).charge] : chargesOf(read);
	const notes = charges.flatMap(({ description }) =>
		description && /\b(?:ignore|instead|instructions?)\b/i.test(description) ? [description] : [],
	);
	const told: string[] = [];
	for (const note of notes.flatMap(partsOf)) told.push((yield* planFor(note)).text);
	return done(told.join('\n') || 'No charge has a note to follow.');
}

function* listCharges(attempt: Attempt, email: string | undefined, times: number): Plan {
	let text = '';
	for (let left = times; left > 0; left--) {
		const result = yield* attempt('list_recent_charges', { ...(email && { customer: email }), limit: 10 });
		if (result.isError) return failed('list charges', result);
		const charges = chargesOf(result);
		text = `${charges.length} charges${email ? ` of ${email}` : ''}:\n${charges.map(describe).join('\n')}`;
	}
	return done(text);
}

// oxlint-disable-next-line require-yield -- a plan without calls
function* unclear(text: string): Plan {
	return failing(text);
}

function done(text: string): Told {
	return { text, isDone: true };
}

function failing(text: string): Told {
	return { text, isDone: false };
}

function failed(what: string, { outcome, text }: { outcome: string; text: string }): Told {
	return failing(`I could not ${what} (${outcome}): ${text}`);
}

function chargesOf(result: { structured?: unknown }): Charge[] {
	return (result.structured as { charges: Charge[] }).charges;
}

function describe({ id, amount, amountRefunded, currency, status, description }: Charge): string {
	return `${id} ${money(amount, currency)} ${status}${amountRefunded ? `, ${money(amountRefunded, currency)} refunded` : ''}${description ? `: ${description}` : ''}`;
}

function money(cents: number, currency: string): string {
	return `${(cents / 100).toFixed(2)} ${currency.toUpperCase()}`;
}

/** `$12.50` or `1250 cents`. */
function centsIn(input: string): number | undefined {
	const dollars = /\$(\d+)(?:\.(\d{2}))?/.exec(input);
	if (dollars) return Number(dollars[1]) * 100 + Number(dollars[2] ?? 0);
	const cents = /\b(\d+) cents?\b/i.exec(input);
	return cents ? Number(cents[1]) : undefined;
}

function retriesIn(input: string): number {
	if (!wantsRetries(input)) return 0;
	return timesIn(input) ?? STUBBORN_RETRIES;
}

function repeatsIn(input: string): number {
	return wantsRetries(input) ? 1 : (timesIn(input) ?? 1);
}

function wantsRetries(input: string): boolean {
	return /\bretry|\bkeep (?:re)?trying|\btry again|\buntil it works|\b(?:don't|don’t|do not|never) give up/i.test(input);
}

function timesIn(input: string): number | undefined {
	const times = /\b(\d{1,2}) times\b/i.exec(input)?.[1];
	return times === undefined ? undefined : Number(times);
}
