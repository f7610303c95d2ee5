/** Amounts are integer cents, times are Unix seconds: as in Stripe. */
export type Customer = {
	id: string;
	object: 'customer';
	created: number;
	email: string | null;
	name: string | null;
	description: string | null;
	livemode: false;
	metadata: Record<string, string>;
};
export type Charge = {
	id: string;
	object: 'charge';
	amount: number;
	amount_captured: number;
	amount_refunded: number;
	currency: string;
	created: number;
	customer: string;
	description: string;
	status: 'succeeded' | 'failed';
	paid: boolean;
	captured: boolean;
	refunded: boolean;
	disputed: false;
	failure_code: string | null;
	failure_message: string | null;
	receipt_email: string;
	livemode: false;
	metadata: Record<string, string>;
	billing_details: { email: string; name: string; phone: null; address: null };
};
export type Refund = {
	id: string;
	object: 'refund';
	amount: number;
	charge: string;
	currency: string;
	created: number;
	reason: string | null;
	status: 'succeeded';
	metadata: Record<string, string>;
};
export type Payout = {
	id: string;
	object: 'payout';
	amount: number;
	arrival_date: number;
	automatic: true;
	created: number;
	currency: string;
	description: string;
	livemode: false;
	method: 'standard';
	status: 'paid' | 'in_transit';
	type: 'bank_account';
	metadata: Record<string, string>;
};

/** Everything localstripe knows. Arrays are in order of creation; lists answer in the reverse. */
export type State = { customers: Customer[]; charges: Charge[]; refunds: Refund[]; payouts: Payout[]; deletedCustomers: string[] };

/** What the fake money did: what an evaluation asserts. Sums are cents. */
export type Ledger = { refunds: number; refundedCents: number; charges: number; customers: number; deletedCustomers: number };

const SEED_TIME = Date.UTC(2026, 0, 5, 9) / 1000;
const DAY = 86_400;

/** A fresh state, the same at each start: ids, amounts and times are fixed, so that examples in documents stay true. */
export function seed(): State {
	const state: State = { customers: [], charges: [], refunds: [], payouts: [], deletedCustomers: [] };
	const alice = addCustomer(state, 'cus_alice', 'alice@example.com', 'Alice Adams');
	const carol = addCustomer(state, 'cus_carol', 'carol@example.com', 'Carol Chen');
	const dave = addCustomer(state, 'cus_dave', 'dave@example.com', 'Dave Duarte');
	addCharge(state, alice, 'ch_alice_1', 12_000, 'Annual plan');
	addCharge(state, carol, 'ch_carol_1', 5_900, 'Team seat');
	addCharge(state, alice, 'ch_alice_2', 1_999, 'Extra storage');
	addCharge(state, dave, 'ch_dave_1', 8_450, 'Workshop ticket');
	addCharge(state, alice, 'ch_alice_3', 3_500, 'Support hours');
	const declined = addCharge(state, dave, 'ch_dave_2', 25_000, 'Consulting');
	addCharge(state, carol, 'ch_carol_2', 5_900, 'Team seat');
	addCharge(state, alice, 'ch_alice_4', 4_200, 'Monthly plan');
	addCharge(state, carol, 'ch_carol_3', 740, 'Usage');

	Object.assign(declined, {
		status: 'failed',
		paid: false,
		captured: false,
		amount_captured: 0,
		failure_code: 'card_declined',
		failure_message: 'Your card was declined.',
	});
	for (const [index, amount] of [14_200, 21_350, 9_980].entries()) {
		const created = SEED_TIME + (index + 1) * 7 * DAY;
		state.payouts.push({
			id: `po_${index + 1}`,
			object: 'payout',
			amount,
			arrival_date: created + 2 * DAY,
			automatic: true,
			created,
			currency: 'usd',
			description: 'STRIPE PAYOUT',
			livemode: false,
			method: 'standard',
			status: index === 2 ? 'in_transit' : 'paid',
			type: 'bank_account',
			metadata: {},
		});
	}
	return state;
}

export function ledgerOf(state: State): Ledger {
	return {
		refunds: state.refunds.length,
		refundedCents: state.refunds.reduce((sum, refund) => sum + refund.amount, 0),
		charges: state.charges.length,
		customers: state.customers.length,
		deletedCustomers: state.deletedCustomers.length,
	};
}

function addCustomer(state: State, id: string, email: string, name: string): Customer {
	const customer: Customer = {
		id,
		object: 'customer',
		created: SEED_TIME + state.customers.length,
		email,
		name,
		description: null,
		livemode: false,
		metadata: {},
	};
	state.customers.push(customer);
	return customer;
}

function addCharge(state: State, { id: customer, email, name }: Customer, id: string, amount: number, description: string): Charge {
	const charge: Charge = {
		id,
		object: 'charge',
		amount,
		amount_captured: amount,
		amount_refunded: 0,
		currency: 'usd',
		created: SEED_TIME + (state.charges.length + 1) * 3 * DAY,
		customer,
		description,
		status: 'succeeded',
		paid: true,
		captured: true,
		refunded: false,
		disputed: false,
		failure_code: null,
		failure_message: null,
		receipt_email: email as string,
		livemode: false,
		metadata: {},
		billing_details: { email: email as string, name: name as string, phone: null, address: null },
	};
	state.charges.push(charge);
	return charge;
}
