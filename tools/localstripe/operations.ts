import { randomBytes } from 'node:crypto';
import { ParameterError, missing, refused } from './errors.ts';
import { allowOnly, integer, stringMap, text, type Params } from './form.ts';
import type { Customer, Refund, State } from './state.ts';

/** One endpoint: reads the state, may change it, and answers the JSON body. Throws a StripeError, and then has changed nothing. */
export type Operation = (state: State, params: Params, id: string) => unknown;

const REFUND_REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'];
const PAGING = ['limit', 'starting_after', 'ending_before', 'created'];

/** Stripe's routes that localstripe answers; `:id` is handed to the operation. */
export const OPERATIONS: Record<string, Operation> = {
	'GET /v1/customers': (state, params) => {
		allowOnly(params, ['email', ...PAGING]);
		const email = text(params, 'email');
		return page(
			'customer',
			'/v1/customers',
			state.customers.filter((customer) => !email || customer.email === email),
			params,
		);
	},
	'POST /v1/customers': createCustomer,
	'GET /v1/customers/:id': (state, params, id) => {
		allowOnly(params, []);
		if (state.deletedCustomers.includes(id)) return { id, object: 'customer', deleted: true };
		return find('customer', state.customers, id);
	},
	'DELETE /v1/customers/:id': (state, params, id) => {
		allowOnly(params, []);
		state.customers.splice(state.customers.indexOf(find('customer', state.customers, id)), 1);
		state.deletedCustomers.push(id);
		return { id, object: 'customer', deleted: true };
	},
	'GET /v1/charges': (state, params) => {
		allowOnly(params, ['customer', ...PAGING]);
		const customer = text(params, 'customer');
		if (customer && !state.deletedCustomers.includes(customer)) find('customer', state.customers, customer, 'customer');
		return page(
			'charge',
			'/v1/charges',
			state.charges.filter((charge) => !customer || charge.customer === customer),
			params,
		);
	},
	'GET /v1/charges/:id': (state, params, id) => {
		allowOnly(params, []);
		return find('charge', state.charges, id);
	},
	'GET /v1/refunds': (state, params) => {
		allowOnly(params, ['charge', ...PAGING]);
		const charge = text(params, 'charge');
		return page(
			'refund',
			'/v1/refunds',
			state.refunds.filter((refund) => !charge || refund.charge === charge),
			params,
		);
	},
	'POST /v1/refunds': createRefund,
	'GET /v1/refunds/:id': (state, params, id) => {
		allowOnly(params, []);
		return find('refund', state.refunds, id);
	},
	'GET /v1/payouts': (state, params) => {
		allowOnly(params, ['status', ...PAGING]);
		const status = text(params, 'status');
		return page(
			'payout',
			'/v1/payouts',
			state.payouts.filter((payout) => !status || payout.status === status),
			params,
		);
	},
	'GET /v1/payouts/:id': (state, params, id) => {
		allowOnly(params, []);
		return find('payout', state.payouts, id);
	},
};

function createCustomer(state: State, params: Params): Customer {
	allowOnly(params, ['email', 'name', 'description', 'metadata']);
	const customer: Customer = {
		id: newId('cus'),
		object: 'customer',
		created: now(),
		email: text(params, 'email') ?? null,
		name: text(params, 'name') ?? null,
		description: text(params, 'description') ?? null,
		livemode: false,
		metadata: stringMap(params, 'metadata'),
	};
	state.customers.push(customer);
	return customer;
}

/** Refunds a charge in full or in part; the sum of its refunds never exceeds what was captured. */
function createRefund(state: State, params: Params): Refund {
	allowOnly(params, ['charge', 'amount', 'reason', 'metadata']);
	const amountAsked = integer(params, 'amount', 1, 99_999_999);
	const reason = text(params, 'reason') ?? null;
	if (reason && !REFUND_REASONS.includes(reason)) {
		throw new ParameterError(
			`Invalid reason: must be one of ${REFUND_REASONS.slice(0, -1).join(', ')}, or ${REFUND_REASONS.at(-1)}`,
			'reason',
		);
	}
	const metadata = stringMap(params, 'metadata');
	const chargeId = text(params, 'charge');
	if (!chargeId) throw new ParameterError('Missing required param: charge.', 'charge', 'parameter_missing');

	const charge = find('charge', state.charges, chargeId, 'charge');
	const remaining = charge.amount_captured - charge.amount_refunded;
	if (charge.status === 'failed') throw refused(`Charge ${charge.id} can't be refunded because it failed.`, { param: 'charge' });
	if (remaining === 0) throw refused(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
	const amount = amountAsked ?? remaining;
	if (amount > remaining) {
		throw refused(`Refund amount (${dollars(amount)}) is greater than unrefunded amount on charge (${dollars(remaining)})`, {
			param: 'amount',
		});
	}
	const refund: Refund = {
		id: newId('re'),
		object: 'refund',
		amount,
		charge: charge.id,
		currency: charge.currency,
		created: now(),
		reason,
		status: 'succeeded',
		metadata,
	};
	state.refunds.push(refund);
	charge.amount_refunded += amount;
	charge.refunded = charge.amount_refunded === charge.amount_captured;
	return refund;
}

function find<T extends { id: string }>(kind: string, all: T[], id: string, param?: string): T {
	const found = all.find((object) => object.id === id);
	if (!found) throw missing(kind, id, param);
	return found;
}

/** One page of a list, newest first, by Stripe's cursors. */
function page<T extends { id: string; created: number }>(kind: string, url: string, all: T[], params: Params): unknown {
	const limit = integer(params, 'limit', 1, 100) ?? 10;
	const startingAfter = text(params, 'starting_after');
	const endingBefore = text(params, 'ending_before');
	if (startingAfter && endingBefore) {
		throw new ParameterError('You can only use one of starting_after and ending_before.', 'starting_after');
	}
	const list = all.filter(createdIn(params)).reverse();
	if (endingBefore) {
		const end = list.indexOf(find(kind, list, endingBefore, 'ending_before'));
		return { object: 'list', url, has_more: end > limit, data: list.slice(Math.max(0, end - limit), end) };
	}
	const start = startingAfter ? list.indexOf(find(kind, list, startingAfter, 'starting_after')) + 1 : 0;
	return { object: 'list', url, has_more: list.length > start + limit, data: list.slice(start, start + limit) };
}

/** The filter `created=…` or `created[gt|gte|lt|lte]=…`. */
function createdIn(params: Params): (object: { created: number }) => boolean {
	const { created } = params;
	if (created === undefined) return () => true;
	if (typeof created === 'string') {
		const at = integer(params, 'created', 0, Number.MAX_SAFE_INTEGER);
		return (object) => object.created === at;
	}
	allowOnly(created, ['gt', 'gte', 'lt', 'lte']);
	const bound = (name: string, absent: number): number => integer(created, name, 0, Number.MAX_SAFE_INTEGER) ?? absent;
	const [gt, gte, lt, lte] = [bound('gt', -1), bound('gte', 0), bound('lt', Infinity), bound('lte', Infinity)];
	return (object) => object.created > gt && object.created >= gte && object.created < lt && object.created <= lte;
}

function newId(prefix: string): string {
	return `${prefix}_${randomBytes(12).toString('hex')}`;
}

function now(): number {
	return Math.floor(Date.now() / 1000);
}

function dollars(cents: number): string {
	return `$${(cents / 100).toFixed(2)}`;
}
