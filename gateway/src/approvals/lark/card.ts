import type { JsonObject } from '../../domain.ts';
import type { ApprovalView } from '../approval.ts';

/** Cards in Card JSON 2.0, both when sending and when updating: Lark silently doesn't render mixed versions. */

const MAX_ARGUMENT_CHARACTERS = 4_000;

/** What a card's button carries back: the approval and the answer. It grants nothing by itself: the callback is signed, and the person is mapped. */
export interface ButtonValue {
	readonly toolgate: { readonly approval: string; readonly decision: 'approve' | 'reject' };
}

/** Text of agents and upstreams as it may stand in a card: no Markdown, no mentions, control and bidirectional characters shown. */
function plain(text: string): string {
	return text
		.replaceAll(
			/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
			(found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
		)
		.replaceAll('&', '&#38;')
		.replaceAll(/[<>*_~`[\]()#|\\!-]/g, (found) => `&#${found.charCodeAt(0)};`);
}

const markdown = (content: string): JsonObject => ({ tag: 'markdown', content });

function body(approval: ApprovalView): JsonObject[] {
	const shown = JSON.stringify(approval.arguments, undefined, 2);
	const cut = shown.length > MAX_ARGUMENT_CHARACTERS ? `${shown.slice(0, MAX_ARGUMENT_CHARACTERS)} …` : shown;
	return [
		markdown(
			`**${plain(approval.agent)}** wants to call **${plain(approval.tool)}** on ${plain(approval.server)} for **${plain(approval.principal)}**`,
		),
		markdown(cut.split('\n').map(plain).join('\n')),
		...approval.reasons.map(({ rule, message }) => markdown(`${plain(message)} (${plain(rule)})`)),
	];
}

function card(template: string, title: string, elements: JsonObject[]): JsonObject {
	return {
		schema: '2.0',
		config: { update_multi: true, enable_forward: false },
		header: { template, title: { tag: 'plain_text', content: title } },
		body: { elements },
	};
}

function button(text: string, type: string, value: ButtonValue): JsonObject {
	return {
		tag: 'button',
		type,
		text: { tag: 'plain_text', content: text },
		behaviors: [{ type: 'callback', value: value as unknown as JsonObject }],
	};
}

/** An open approval: who, what, why, for how long, and two buttons. */
export function pendingCard(approval: ApprovalView): JsonObject {
	const until = new Date(approval.expiresAtMs).toISOString().slice(0, 19).replace('T', ' ');
	return card('orange', `Approval needed: ${approval.tool}`, [
		...body(approval),
		markdown(`Expires ${until} UTC`),
		{
			tag: 'column_set',
			columns: (['approve', 'reject'] as const).map((decision) => ({
				tag: 'column',
				elements: [
					button(decision === 'approve' ? 'Approve once' : 'Reject', decision === 'approve' ? 'primary' : 'danger', {
						toolgate: { approval: approval.id, decision },
					}),
				],
			})),
		},
	]);
}

const ENDED: Partial<Record<ApprovalView['state'], [template: string, title: string]>> = {
	rejected: ['red', 'Rejected'],
	expired: ['grey', 'Expired'],
	withdrawn: ['grey', 'Withdrawn'],
};

/** The card once nothing can be decided any more: who, when and why, and no button. */
export function endedCard(approval: ApprovalView): JsonObject {
	const [template, title] = ENDED[approval.state] ?? ['green', 'Approved'];
	const votes = approval.votes.map(({ approver, decision, reason, atMs }) =>
		markdown(
			`${decision === 'approve' ? 'Approved' : 'Rejected'} by **${plain(approver)}** at ${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC${reason === undefined ? '' : `: ${plain(reason)}`}`,
		),
	);
	return card(template, `${title}: ${approval.tool}`, [...body(approval), ...votes]);
}
