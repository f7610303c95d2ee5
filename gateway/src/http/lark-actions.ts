import type { FastifyInstance } from 'fastify';
import type { ApprovalView, DecideRequest } from '../approvals/approval.ts';
import { pendingCard, endedCard } from '../approvals/lark/card.ts';
import type { CallbackVerifier } from '../approvals/lark/callback.ts';
import type { JsonObject } from '../domain.ts';
import { ToolGateError } from '../errors.ts';

export interface LarkActionsDeps {
	readonly verifier: CallbackVerifier;
	readonly approvals: {
		decide(request: DecideRequest): Promise<ApprovalView>;
		get(id: string): Promise<ApprovalView | undefined>;
	};
	/** Whose open_id it is, with groups; undefined where nobody in `people` has it. */
	readonly personOf: (openId: string) => { readonly id: string; readonly groups: readonly string[] } | undefined;
	/** Records a callback that was refused before it could be anybody's attempt. */
	readonly recordRefused: (why: string) => Promise<void>;
}

const BODY_BYTES = 256 * 1024;

/** `POST /lark/actions`: the one route on the agents' listener where something can be approved; only a signed callback passes. */
export function larkActions(app: FastifyInstance, { verifier, approvals, personOf, recordRefused }: LarkActionsDeps): void {
	void app.register(async (scope) => {
		scope.removeAllContentTypeParsers();
		scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES }, (_request, body, done) => done(null, body));
		scope.post('/lark/actions', { bodyLimit: BODY_BYTES }, async (request, reply) => {
			const callback = verifier.verify({ headers: request.headers, body: request.body as Buffer });
			switch (callback.kind) {
				case 'challenge':
					return { challenge: callback.challenge };
				case 'refused':
					await recordRefused(callback.why);
					return reply.code(401).send({ error: { code: 'UNAUTHENTICATED', message: callback.why } });
				case 'click':
					return decide(callback);
			}
		});
	});

	async function decide({
		openId,
		approvalId,
		decision,
	}: {
		openId: string;
		approvalId: string;
		decision: 'approve' | 'reject';
	}): Promise<JsonObject> {
		const person = personOf(openId);
		if (person === undefined) {
			await recordRefused(`the Lark user ${openId} is nobody in people`);
			return toast('error', 'ToolGate does not know you: an operator has to add your larkOpenId');
		}
		try {
			const approval = await approvals.decide({ id: approvalId, approver: person, decision, via: 'lark' });
			return { ...toast('success', decision === 'approve' ? 'Approved' : 'Rejected'), card: { type: 'raw', data: cardOf(approval) } };
		} catch (error) {
			// Unknown, decided or expired, or not this person's to decide: told on the card, no effect.
			if (!(error instanceof ToolGateError)) throw error;
			const now = await approvals.get(approvalId);
			return { ...toast('error', error.message), ...(now === undefined ? {} : { card: { type: 'raw', data: cardOf(now) } }) };
		}
	}
}

const cardOf = (approval: ApprovalView): JsonObject => (approval.state === 'pending' ? pendingCard(approval) : endedCard(approval));
const toast = (type: 'success' | 'error', content: string): JsonObject => ({ toast: { type, content } });
