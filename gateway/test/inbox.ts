import { randomUUID } from 'node:crypto';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Test } from 'tap';
import { ApprovalLedger } from '../src/approvals/approval-ledger.ts';
import type { JsonObject, Tool } from '../src/domain.ts';
import { conceal } from '../src/ledger-fixture.ts';
import type { Built } from './build.ts';
import { PAGE_TIMEOUT_MS } from './chromium.ts';

/** The console as one person has it open. */
export interface Inbox {
	readonly page: Page;
	/** What the browser complained about: breaches of the policy of the page, errors of scripts, dialogs that opened. */
	readonly complaints: string[];
}

/** Signs in by a link, as the operator bob. */
export async function openInbox(
	t: Test,
	chromium: Browser,
	built: Built,
	path = '/',
	options: Parameters<Browser['newContext']>[0] = {},
): Promise<Inbox> {
	const context: BrowserContext = await chromium.newContext({
		viewport: { width: 1280, height: 800 },
		reducedMotion: 'reduce',
		...options,
	});
	t.teardown(() => context.close());
	const page = await context.newPage();
	page.setDefaultTimeout(PAGE_TIMEOUT_MS);
	const complaints: string[] = [];
	page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
	page.on('pageerror', (error) => complaints.push(error.message));
	page.on('dialog', (dialog) => {
		complaints.push(`a dialog opened: ${dialog.message()}`);
		void dialog.dismiss();
	});
	const { path: link } = (await built.api<{ path: string }>('POST', '/api/sign-in-links')).json;
	await page.goto(built.peopleUrl + link);
	if (path !== '/') await page.goto(built.peopleUrl + path);
	return { page, complaints };
}

/** An approval with whatever text in it: policy and upstream would have to be hostile to get it there. */
export async function anApproval(
	{ sql }: Built,
	fields: {
		tool?: string;
		principal?: string;
		agent?: string;
		arguments?: JsonObject;
		sent?: JsonObject;
		message?: string;
		approvers?: string[];
	},
): Promise<string> {
	const { principal = 'alice@example.com', agent = 'agent', message = 'a person must agree', approvers = ['group:finance'] } = fields;
	const [id, callId, decisionId] = [randomUUID(), randomUUID(), randomUUID()];
	const [stream] = await sql.query<{ id: string }>('SELECT id FROM streams', []);
	const tool: Tool = {
		upstream: 'stripe',
		name: fields.tool ?? 'create_refund',
		listedName: '',
		definition: {},
		digest: 'sha256:0',
		pinned: true,
		validate: () => undefined,
	};
	const opened = await new ApprovalLedger(sql, stream!.id, conceal).open(
		id,
		{
			event: {
				version: 1,
				id: randomUUID(),
				kind: 'decision',
				timeMs: sql.nowMs(),
				decision: 'approvalRequired',
				callId,
				decisionId,
				approvalId: id,
				principal,
				agent,
				tool: tool.name,
			},
			call: { id: callId, caller: { principal: { id: principal }, agent: { id: agent }, session: { era: 'legacy' } } } as never,
			tool,
			decision: {
				id: decisionId,
				revision: 'sha256:r',
				document: {
					version: 1,
					verdict: 'approvalRequired',
					reasons: [{ rule: 'test.rule', message }],
					approvals: [{ rule: 'test.rule', approvers, quorum: 1, ttlSeconds: 600 }],
					budgets: [],
					redactions: [],
					limits: {},
				},
			},
			argumentsDigest: id,
			sentDigest: id,
			recorded: fields.arguments ?? {},
			sent: { ...fields.arguments, ...fields.sent },
			sinceMs: sql.nowMs(),
		},
		100,
	);
	if (opened !== 'opened') throw new Error(opened);
	return id;
}
