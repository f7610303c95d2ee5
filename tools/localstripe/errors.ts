/**
 * What Stripe answers when it refuses: `{ error: { type, code?, message, param? } }`. The sentences are Stripe's own, because people search
 * for them and the official SDK turns `type` into its error classes.
 */
export class StripeError extends Error {
	status: number;
	body: { error: { type: string; code?: string; message: string; param?: string } };

	constructor(status: number, type: string, message: string, more: { code?: string; param?: string } = {}) {
		super(message);
		this.status = status;
		this.body = { error: { type, message, ...more } };
	}
}

/** A parameter that Stripe refuses before it does anything (400); such an answer is not kept for an idempotency key. */
export class ParameterError extends StripeError {
	constructor(message: string, param: string, code?: string) {
		super(400, 'invalid_request_error', message, { param, ...(code && { code }) });
	}
}

/** No object of that kind and id (404). */
export function missing(kind: string, id: string, param = 'id'): StripeError {
	return new StripeError(404, 'invalid_request_error', `No such ${kind}: '${id}'`, { code: 'resource_missing', param });
}

/** A request that is well-formed and refused by the state of things (400). */
export function refused(message: string, more: { code?: string; param?: string } = {}): StripeError {
	return new StripeError(400, 'invalid_request_error', message, more);
}
