import type { Page } from 'playwright-core';
import t from 'tap';
import { buildWhenStale } from '../../ui/build.ts';
import { openAgent } from './agent.ts';
import { build, type Built } from './build.ts';
import { openChromium } from './chromium.ts';
import { anApproval, openInbox } from './inbox.ts';
import { until } from './until.ts';

/** The inbox as a person has it: a real browser on a real gateway, with an agent that waits. */

const REFUND = { charge: 'ch_alice_4', amount: 4_200 };

await buildWhenStale();
const chromium = await openChromium(t);

const COUNT_TIMERS = 'timers = 0; const own = setInterval; setInterval = (...a) => (timers++, own(...a))';
const text = (page: Page): Promise<string> => page.locator('body').innerText();

t.test(
	'[inbox.approve] a refund is approved in the browser while the agent waits, without loading the page again',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await build(t);
		const { page, complaints } = await openInbox(t, chromium!, built);
		await page.getByText('Nothing waits for a person').waitFor();
		t.match(await text(page), /A request appears here the moment a rule answers approvalRequired/, 'the empty page says what to do next');
		t.equal(await page.title(), 'ToolGate');

		const agent = await openAgent(built.mcpUrl);
		await agent.call('list_recent_charges', { customer: 'alice@example.com', limit: 1 });
		const held = agent.call('create_refund', REFUND);
		await page.getByRole('heading', { name: 'create_refund on stripe' }).waitFor();
		t.equal(await page.title(), '(1) ToolGate');
		const shown = await text(page);
		t.match(shown, /For alice@example\.com, asked by the agent agent/, 'who');
		t.match(shown, /amount\s+4200\s+charge\s+ch_alice_4/, 'what');
		t.match(shown, /a refund moves money.*\s+payments\.refund · 0 of 1 agreed · one of finance \(you\)/, 'why, and who may decide');
		t.match(shown, /expires in \d+:\d\d/, 'for how long');
		await page.getByText('list_recent_charges').waitFor();
		t.match(await text(page), /Its definition is unchanged since/, 'what else the agent did, and the tool');
		t.match(await built.payments.ledger(), { refunds: 0 });
		for (const name of ['Approve once', 'Reject…']) t.ok(await page.getByRole('button', { name }).isVisible(), `${name} is in sight`);
		const bar = (await page.getByRole('button', { name: 'Approve once' }).boundingBox())!;
		t.ok(bar.y + bar.height <= 800, 'nothing has to be scrolled');

		await page.getByRole('button', { name: 'Approve once' }).click();
		const end = await held;
		t.equal(end.word, 'ok', end.text);
		t.match(await built.payments.ledger(), { refunds: 1, refundedCents: 4_200 });
		await page.getByText(/Approved by bob@example\.com .*The call has been answered/).waitFor();
		t.equal(await page.title(), 'ToolGate');
		const [vote] = (await built.events('&kind=approval')).filter(({ outcome }) => outcome === 'approved');
		t.match(vote, { detail: { by: 'bob@example.com', via: 'inbox' } });
		t.same(complaints, []);
	},
);

t.test(
	'[inbox.reject] a rejection by keyboard carries its reason to the agent; decided ones are kept with who, when and why',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await build(t);
		const { page, complaints } = await openInbox(t, chromium!, built);
		const agent = await openAgent(built.mcpUrl);
		const held = agent.call('create_refund', REFUND);
		const other = agent.call('create_refund', { ...REFUND, amount: 100 });
		await page.getByRole('listitem').filter({ hasText: 'amount: 100' }).waitFor();
		const cards = page.getByRole('region', { name: 'Approvals' }).getByRole('listitem');
		t.equal(await cards.count(), 2);
		await page.keyboard.press('k');
		await page.keyboard.press('k');
		const first = new URL(page.url()).pathname;
		await page.keyboard.press('j');
		t.not(new URL(page.url()).pathname, first, 'j and k go through the list');
		while (!(await page.locator('article').innerText()).includes('4200')) await page.keyboard.press('k');
		await page.keyboard.press('r');
		await page.keyboard.type('a customer kept the goods <b>j</b>');
		await page.keyboard.press('Enter');
		const end = await held;
		t.equal(end.word, 'rejected');
		t.match(end.text, /bob@example\.com rejected this call: a customer kept the goods <b>j<\/b>/);
		await page.getByText(/Rejected by bob@example\.com/).waitFor();
		t.match(await built.payments.ledger(), { refunds: 0 });

		await page.keyboard.press('Escape');
		await page.getByText('Decided').click();
		t.match(await page.getByRole('listitem').filter({ hasText: 'create_refund' }).first().innerText(), /rejected/);
		await page.keyboard.press('j');
		t.match(await text(page), /Rejected by bob@example\.com .*: “a customer kept the goods <b>j<\/b>”/);
		const exact = await page.locator('article time').first().getAttribute('datetime');
		t.match(exact, /^\d{4}-\d\d-\d\dT/, 'the exact time is there');

		await page.getByText('Open', { exact: true }).click();
		await page.getByRole('button', { name: 'Approve once' }).waitFor();
		await page.keyboard.press('a');
		t.equal((await other).word, 'ok');
		t.match(await built.payments.ledger(), { refunds: 1, refundedCents: 100 });
		t.same(complaints, []);
	},
);

/** One gateway for what follows: starting one costs more than what is tested on it. */
let gateway: Promise<Built> | undefined;
const shared = (): Promise<Built> => (gateway ??= build(t));

t.test(
	'[inbox.xss] markup and hidden characters in names, arguments, rules and reasons stay text',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await shared();
		const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
		const id = await anApproval(built, {
			tool: `t${evil}`,
			principal: `p${evil}`,
			agent: `javascript:alert(3)${evil}`,
			message: `m${evil}`,
			approvers: ['group:finance', evil],
			arguments: {
				[`k${evil}`]: `v${evil}`,
				file: 'invoice\u202Egpj.exe',
				nested: { list: ['a\u200Bb', null, 1e21, true] },
				lines: 'one\ntwo\u001b[2J',
				'': '',
				__proto__x: 'y',
			},
		});
		const { page, complaints } = await openInbox(t, chromium!, built, `/approvals/${id}`);
		await page.getByRole('heading', { level: 1 }).waitFor();
		const shown = await text(page);
		for (const part of [`t${evil} on`, `p${evil}`, `m${evil}`, `k${evil}`, `v${evil}`])
			t.ok(shown.includes(part), `${part.slice(0, 1)}: as text`);
		t.match(shown, /invoice\\u\{202e\}gpj\.exe/, 'a bidirectional override is written out');
		t.match(shown, /a\\u\{200b\}b/);
		t.match(shown, /one\\n\s*two\\u\{1b\}\[2J/);
		// The one link is the page's own, to the story of the call.
		const foreign = page.locator('article :is(img, script, iframe, a):not([href^="/audit/calls/"])');
		t.equal(await foreign.count(), 0, 'no element came of it');

		await page.keyboard.press('r');
		await page.keyboard.type(`because ${evil}`);
		await page.keyboard.press('Enter');
		await page.getByText(/Rejected by bob@example\.com/).waitFor();
		t.ok((await text(page)).includes(`because ${evil}`));

		const hasRun = await page.evaluate(`(() => {
		const script = document.createElement('script');
		script.textContent = 'document.documentElement.dataset.ran = "yes"';
		document.body.append(script);
		return document.documentElement.dataset.ran;
	})()`);
		t.equal(hasRun, undefined, 'and if one did, the policy of the page would not let it run');
		t.match(complaints, [/Content Security Policy/]);
		t.equal(complaints.length, 1, complaints.join('\n'));
	},
);

t.test(
	'[inbox.masked] what is masked for the record only says so, and so does what is missing there',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await shared();
		const id = await anApproval(built, {
			arguments: { to: 'bob', note: 'call [us-ssn masked]' },
			sent: { note: 'call 123-45-6789', card: '4242' },
		});
		const { page, complaints } = await openInbox(t, chromium!, built, `/approvals/${id}`);
		await page.getByText('call [us-ssn masked]', { exact: true }).waitFor();
		const shown = await text(page);
		t.equal(shown.match(/masked for the record; the tool gets the real value/g)?.length, 1);
		t.match(shown, /card\s+not in the record; the tool gets it/);
		t.notMatch(await page.content(), /123-45-6789|4242/);
		t.same(complaints, []);
	},
);

t.test(
	'[inbox.standing] who may not decide sees why; an unknown outcome is resolved; a request is withdrawn',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await shared();
		const [foreign, unknown, taken] = [
			await anApproval(built, { approvers: ['carol@example.com'] }),
			await anApproval(built, { tool: 'wire_money' }),
			await anApproval(built, { tool: 'close_account' }),
		];
		await built.sql.query("UPDATE approvals SET state = 'outcome_unknown' WHERE id = $1", [unknown]);
		const { page, complaints } = await openInbox(t, chromium!, built, `/approvals/${foreign}`);
		await page
			.getByText("You can't approve it as bob@example.com: bob@example.com is not among the approvers that the rule names.")
			.waitFor();
		t.ok(await page.getByRole('button', { name: 'Approve once' }).isDisabled());
		await page.keyboard.press('a');
		t.equal((await built.api<{ state: string }>('GET', `/api/approvals/${foreign}`)).json.state, 'pending');

		await page.getByRole('link', { name: /wire_money/ }).click();
		await page.getByText(/the call may have run/).waitFor();
		await page.getByRole('button', { name: 'It did not run' }).click();
		await until(
			'it is resolved',
			async () => (await built.api<{ state: string }>('GET', `/api/approvals/${unknown}`)).json.state === 'done',
		);

		await page.getByRole('link', { name: /close_account/ }).click();
		await page.getByRole('button', { name: 'more' }).click();
		await page.getByText('Withdraw the request…').click();
		await page.getByLabel('Why is it withdrawn?').fill('asked by mistake');
		await page.getByRole('button', { name: 'Withdraw', exact: true }).click();
		await page.getByText(/Withdrawn by bob@example\.com .*: “asked by mistake”\. Nothing was run/).waitFor();
		t.match((await built.api('GET', `/api/approvals/${taken}`)).json, {
			state: 'withdrawn',
			decided: { by: 'bob@example.com', reason: 'asked by mistake' },
		});

		await page.goto(`${built.peopleUrl}/approvals/nonsense`);
		await page.getByText('No such approval').waitFor();
		t.same(
			complaints.filter((complaint) => !complaint.includes('404')),
			[],
		);
	},
);

t.test(
	'[inbox.phone] on a phone the list leads to the request and back, and nothing is wider than the screen',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await shared();
		await anApproval(built, {
			tool: 'a_tool_with_a_name_that_is_longer_than_any_phone_is_wide_by_far',
			arguments: { text: 'x'.repeat(500) },
		});
		const { page, complaints } = await openInbox(t, chromium!, built, '/', {
			viewport: { width: 390, height: 844 },
			isMobile: true,
			hasTouch: true,
			colorScheme: 'dark',
		});
		await page.getByRole('listitem').filter({ hasText: 'a_tool_with' }).tap();
		const approve = page.getByRole('button', { name: 'Approve once' });
		await approve.waitFor();
		t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
		const box = (await approve.boundingBox())!;
		t.ok(box.y + box.height <= 844, 'the buttons are in sight');
		await page.getByRole('button', { name: 'back to the list' }).tap();
		await page.getByRole('listitem').filter({ hasText: 'a_tool_with' }).waitFor();
		t.match(
			await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'),
			/rgb\((\d|[1-5]\d), /,
			'dark, as the system is',
		);
		await page.getByRole('button', { name: 'switch to light' }).tap();
		t.equal(
			await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'),
			'rgb(255, 255, 255)',
			'and light, as the person chose',
		);
		t.same(complaints, []);
	},
);

t.test(
	'[inbox.session] signing out, and a session that has ended, lead to the sign-in page; what is decided elsewhere shows here',
	{ skip: chromium === undefined },
	async (t) => {
		const built = await shared();
		const id = await anApproval(built, {});
		const { page } = await openInbox(t, chromium!, built, `/approvals/${id}`);
		let streams = 0;
		await page.route('**/api/approvals/stream', (route) => (++streams === 1 ? route.fulfill({ status: 503 }) : route.fallback()));
		await page.reload();
		await page.getByRole('heading', { name: 'create_refund on stripe' }).waitFor();
		await page.unrouteAll({ behavior: 'ignoreErrors' });
		t.equal(streams, 2, 'a gateway that can not answer just now is asked again, by the page itself');
		await page.evaluate(COUNT_TIMERS);
		await built.api('POST', `/api/approvals/${id}/reject`, { reason: 'by another way' });
		await page.getByText(/Rejected by bob@example\.com .*: “by another way”/).waitFor();
		t.ok(
			(await page.evaluate<number>('timers')) < 5,
			'the clock goes on, however often the page is drawn: set anew by each drawing, it would draw for ever',
		);

		await built.sql.query('DELETE FROM people_sessions', []);
		await anApproval(built, { tool: 'wire_money' });
		await page.getByRole('link', { name: /wire_money/ }).click();
		await page.getByRole('button', { name: 'Approve once' }).click();
		await page.getByRole('heading', { name: 'Sign in to ToolGate' }).waitFor();
		t.match(await text(page), /npx toolgate sign-in/);

		const other = await openInbox(t, chromium!, built);
		await other.page.getByRole('button', { name: 'bob@example.com' }).click();
		await other.page.getByText('Sign out').click();
		await other.page.getByRole('heading', { name: 'Sign in to ToolGate' }).waitFor();
		t.equal((await built.sql.query('SELECT FROM people_sessions', [])).length, 0);
		await other.page.goto(`${built.peopleUrl}/sign-in?problem=link`);
		t.match(await text(other.page), /That link was used already, or is older than ten minutes/);
	},
);
