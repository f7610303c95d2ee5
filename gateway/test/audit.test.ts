import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import t from 'tap';
import { buildWhenStale } from '../../ui/build.ts';
import { openAgent } from './agent.ts';
import { aTurn, recorded, row, timeline } from './audit-page.ts';
import { build, type Built } from './build.ts';
import { openChromium } from './chromium.ts';
import { openInbox } from './inbox.ts';
import { until } from './until.ts';

/** The audit explorer as a person has it: a real browser on a real gateway. */

await buildWhenStale();
const chromium = await openChromium(t);

const text = (page: Page): Promise<string> => page.locator('body').innerText();
/** Asked in the page: its driver hears of a new address a moment later. */
const queryOf = (page: Page): Promise<string> => page.evaluate<string>('location.search');
const pathOf = (page: Page): Promise<string> => page.evaluate<string>('location.pathname');

t.test('the audit explorer', { skip: chromium === undefined }, async (t) => {
	// One gateway, and one turn on it, for all of them.
	const built = await build(t);
	await aTurn(built, 'turn-1');

	t.test('[explorer.filters] filters are chips, stand in the address, and a shared address shows the same', async (t) => {
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit');
		await row(page, 'delete_customer').waitFor();
		t.equal(await page.title(), 'Audit · ToolGate');
		await page.keyboard.press('/');
		await page.keyboard.type('tool:create_refund');
		await page.keyboard.press('Enter');
		await until('the others go', async () => (await row(page, 'list_recent_charges').count()) === 0);
		t.equal(await queryOf(page), '?tool=create_refund');
		t.match(await row(page, 'create_refund').innerText(), /approvalRequired\s*→\s*approved\s*→\s*ok/, 'its whole trace');

		await page.keyboard.type('verdict:deny');
		await page.keyboard.press('Enter');
		await page.getByText('Nothing in the trail fits').waitFor();
		await page.getByRole('button', { name: 'without tool' }).click();
		await row(page, /deny.*delete_customer/s).waitFor();
		t.equal(await queryOf(page), '?decision=deny');
		await page.keyboard.press('/');
		await page.keyboard.type('customers are not deleted');
		await page.keyboard.press('Enter');
		await until('the text is in the address', async () => (await queryOf(page)).includes('text=customers'));
		await row(page, 'delete_customer').waitFor();

		await page.goto(`${built.peopleUrl}/audit?decision=allow&outcome=ok&since=24h&principal=alice%40example.com`);
		await row(page, 'list_recent_charges').first().waitFor();
		const chips = page.getByRole('list', { name: 'Filters' }).getByRole('listitem');
		t.same(
			(await chips.allInnerTexts()).map((chip) => chip.replaceAll(/\s+/g, ' ').trim()),
			['verdict allow', 'outcome ok', 'principal alice@example.com', 'Clear'],
		);
		t.equal(await row(page, 'delete_customer').count(), 0);

		await page.goto(`${built.peopleUrl}/audit?since=yesterday`);
		const alert = page.getByRole('alert');
		t.match(await alert.innerText(), /^since: expected a time such as 2026-11-24T10:00:00Z, or 15m, 2h, 7d\s+Clear the filter$/);
		await alert.getByRole('button').click();
		await row(page, 'delete_customer').waitFor();
		t.same(
			complaints.filter((complaint) => !complaint.includes('400')),
			[],
		);
	});

	t.test('[explorer.story] one call is told as a timeline, each event opens to what was hashed, and its turn leads on', async (t) => {
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit?turn=turn-1');
		await row(page, 'create_refund').click();
		const events = timeline(page).getByRole('listitem');
		await until('the whole story', async () => (await events.count()) === 4);
		const told = (await events.allInnerTexts()).map((one) => one.replaceAll(/\s+/g, ' '));
		t.match(told, [
			/^\d\d:\d\d:\d\d Decided approvalRequired by the rule payments\.refund a refund moves money/,
			/^\+[\d.]+ m?s Approval approved by bob@example\.com in the API the customer is right/,
			/^\+[\d.]+ m?s Admitted allow reserved 1 of 5 calls of the budget limits\.turn/,
			/^\+[\d.]+ m?s Ended ok a result of [\d,]+ bytes, [\d.]+ m?s in all/,
		]);
		await events.nth(2).getByRole('button').click();
		t.match(
			await events.nth(2).innerText(),
			/"intentId": "[0-9a-f-]{36}"[^]*Event \d+ of its stream, admission granted, hash [0-9a-f]{16}…/,
		);
		t.match(await page.getByLabel('Story').innerText(), /"charge": "ch_alice_4"/, 'the arguments as recorded');
		t.ok(await page.locator('article time').first().getAttribute('datetime'), 'the exact time is there');

		await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
		const callId = (await pathOf(page)).split('/').at(-1)!;
		await page.getByRole('button', { name: `copy ${callId}` }).click();
		t.equal(await page.evaluate('navigator.clipboard.readText()'), callId);

		await page.getByRole('list', { name: 'Calls of the turn' }).getByRole('link', { name: 'delete_customer' }).click();
		await page.getByRole('heading', { name: 'delete_customer on stripe' }).waitFor();
		t.equal(await queryOf(page), '?turn=turn-1', 'the filter stays');
		await page.getByLabel('Story').getByRole('link', { name: 'alice@example.com' }).click();
		t.equal(await queryOf(page), '?principal=alice%40example.com');

		await page.goto(`${built.peopleUrl}/audit/calls/nonsense`);
		await page.getByText('The trail has no such call or event').waitFor();
		t.same(complaints, []);
	});

	t.test('[explorer.live] new calls wait behind a chip, what is shown stands still and is brought up to date', async (t) => {
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit?tool=create_refund&session=live');
		await page.getByText('Nothing in the trail fits').waitFor();
		const asked = await recorded(built, { kind: 'decision', tool: 'create_refund', session: 'live', decision: 'approvalRequired' });
		await page.getByRole('button', { name: '1 new' }).click();
		const first = row(page, 'approvalRequired');
		await first.waitFor();
		const before = await first.boundingBox();
		await recorded(built, { ...asked, id: 'second', kind: 'refusal', outcome: 'rejected' });
		await row(page, /approvalRequired\s*→\s*rejected/).waitFor();
		for (let n = 0; n < 3; n++) await recorded(built, { tool: 'create_refund', session: 'live', decision: 'deny' });
		await page.getByRole('button', { name: '3 new' }).waitFor();
		t.same(await first.boundingBox(), before, 'nothing has moved');
		t.equal(await row(page, 'deny').count(), 0);

		await page.getByRole('button', { name: 'Live' }).click();
		await recorded(built, { tool: 'create_refund', session: 'live', decision: 'deny' });
		await page.getByRole('button', { name: 'Paused' }).click();
		await page.getByRole('button', { name: '4 new' }).click();
		await until('all are shown', async () => (await row(page, 'deny').count()) === 4);
		t.equal(await page.getByRole('button', { name: / new$/ }).count(), 0);
		t.same(complaints, []);
	});

	t.test('[explorer.keys] the list is gone through by keys, and Escape leads back', async (t) => {
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit?turn=turn-1');
		await row(page, 'delete_customer').waitFor();
		await page.keyboard.press('j');
		const first = await pathOf(page);
		t.match(first, /^\/audit\/calls\//);
		await page.keyboard.press('j');
		t.not(await pathOf(page), first);
		await page.keyboard.press('k');
		t.equal(await pathOf(page), first);
		await page.keyboard.press('Enter');
		t.equal(await page.evaluate('document.activeElement.id'), 'detail');
		await page.keyboard.press('Escape');
		t.equal(await pathOf(page), '/audit');
		t.equal(await queryOf(page), '?turn=turn-1');
		t.same(complaints, []);
	});

	t.test(
		'[explorer.chart] verdicts over time have a word beside each colour; a word and a bar narrow the filter; the chain is verified',
		async (t) => {
			const { page, complaints } = await openInbox(t, chromium!, built, '/audit?turn=turn-1');
			const chart = page.getByRole('region', { name: 'Over time' });
			await chart.getByRole('img', { name: 'Verdicts over time: 4 allow, 1 approvalRequired, 1 budgetExceeded, 1 deny' }).waitFor();
			t.match(await chart.innerText(), /allow\s+4\s+approvalRequired\s+1\s+budgetExceeded\s+1\s+deny\s+1/);
			await chart.getByRole('button', { name: 'deny 1' }).click();
			t.equal(await queryOf(page), '?turn=turn-1&decision=deny');
			await chart.getByText('Outcomes').click();
			await chart.getByText('Nothing to count.').waitFor();
			await page.getByRole('button', { name: 'without verdict' }).click();
			await chart.getByRole('button', { name: 'ok 5' }).waitFor();
			await chart.getByRole('img').locator('> div').last().click();
			t.match(await queryOf(page), /since=20\d\d-.*&until=20\d\d-/);
			await row(page, 'list_recent_charges').first().waitFor();

			await page.getByRole('button', { name: 'Verify now' }).click();
			await page.getByText(/Chain intact: \d+ events in 1 stream, verified just now/).waitFor();
			t.same(complaints, []);
		},
	);

	t.test('[explorer.download] what fits is downloaded as JSON lines and as CSV', async (t) => {
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit?tool=delete_customer');
		await row(page, 'delete_customer').waitFor();
		const contents: string[] = [];
		for (const name of [/^JSON lines/, /^CSV/]) {
			await page.getByRole('button', { name: 'download' }).click();
			const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name }).click()]);
			contents.push(readFileSync(await download.path(), 'utf8'));
		}
		const [lines, csv] = contents.map((content) => content.trim().split(/\r?\n/));
		t.match(JSON.parse(lines![0]!), { export: { isWhole: false, filter: { tool: 'delete_customer' } } });
		t.match(JSON.parse(lines![1]!), { event: { tool: 'delete_customer', decision: 'deny' } });
		t.equal(lines!.length, 3);
		t.equal(csv!.length, 2);
		t.match(csv![1], /delete_customer/);
		t.same(complaints, []);
	});

	t.test('[explorer.xss] markup and hidden characters in whatever is recorded stay text', async (t) => {
		const evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
		const { callId } = await recorded(built, {
			tool: `t${evil}`,
			principal: `p${evil}`,
			agent: `a\u202E${evil}`,
			server: evil,
			session: evil,
			turn: evil,
			rule: `javascript:alert(3)${evil}`,
			message: `m${evil}`,
			decision: 'deny',
			input: { arguments: { [`k${evil}`]: `v${evil}\u200B` } },
			detail: { why: evil },
		});
		const { page, complaints } = await openInbox(t, chromium!, built, `/audit/calls/${callId}?turn=${encodeURIComponent(evil)}`);
		await page.getByRole('heading', { level: 1 }).waitFor();
		await row(page, `t${evil}`).waitFor();
		await timeline(page).getByRole('button').first().click();
		const shown = await text(page);
		for (const part of [`t${evil}`, `p${evil}`, `m${evil}`, JSON.stringify(`v${evil}`).slice(1, -1), 'a\\u{202e}'])
			t.ok(shown.includes(part), part);
		t.equal(await page.locator('main img, main script, main iframe, main a[href^="javascript"]').count(), 0);
		t.same(complaints, []);
	});

	t.test(
		'[explorer.phone] on a phone the story is a view of its own, nothing is wider than the screen, and it is dark where the system is',
		async (t) => {
			await recorded(built, {
				tool: `a_tool_with_a_name_longer_than_a_phone_${'x'.repeat(200)}`,
				principal: 'y'.repeat(200),
				turn: 'phone',
				decision: 'deny',
			});
			const { page, complaints } = await openInbox(t, chromium!, built, '/audit?turn=phone', {
				viewport: { width: 390, height: 844 },
				isMobile: true,
				hasTouch: true,
				colorScheme: 'dark',
			});
			const widths =
				'Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll("section")].map((one) => one.scrollWidth))';
			await row(page, 'a_tool_with').waitFor();
			t.equal(await page.evaluate(widths), 390);
			await row(page, 'a_tool_with').getByRole('link').tap();
			await timeline(page).getByRole('button').first().tap();
			t.equal(await row(page, 'a_tool_with').count(), 0);
			t.equal(await page.evaluate(widths), 390);
			t.match(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'), /rgb\((\d|[1-5]\d), /);
			await page.getByRole('button', { name: 'back to the list' }).tap();
			await row(page, 'a_tool_with').waitFor();
			t.same(complaints, []);
		},
	);

	t.test('[explorer.pages] older pages come as they are scrolled to, and only what can be seen is drawn', async (t) => {
		const agent = await openAgent(built.mcpUrl, { 'x-toolgate-agent-id': 'many' });
		// Few at once: a flood would be refused before it is recorded.
		for (let n = 0; n < 250; n += 25) await Promise.all(Array.from({ length: 25 }, (_, more) => agent.call(`unknown_${n + more}`)));
		const { page, complaints } = await openInbox(t, chromium!, built, '/audit?outcome=unknown_tool');
		await row(page, 'unknown_').first().waitFor();
		const list = page.getByRole('list', { name: 'Entries' });
		await until('the end of the list', async () => {
			await page.evaluate(`document.querySelector('[aria-label="Entries"]').parentElement.scrollTop = 1e9`);
			return page.getByText('The trail has nothing earlier that fits').isVisible();
		});
		t.equal((await list.boundingBox())!.height, 250 * 34);
		t.ok((await list.getByRole('listitem').count()) < 80, 'few of them are in the document');
		t.same(complaints, []);
	});

	t.test('[budgets.page] budgets are shown with their use over time, filtered, and reset with a reason that is recorded', async (t) => {
		await earlierHours(built);
		const { page, complaints } = await openInbox(t, chromium!, built, '/budgets');
		const budgets = page.getByRole('list', { name: 'Budgets' }).getByRole('listitem');
		const ofTurn = budgets.filter({ hasText: 'turn turn-1' });
		t.match(
			(await ofTurn.innerText()).replaceAll(/\s+/g, ' '),
			/^limits\.turn agent agent, principal alice@example\.com.*turn turn-1 5 of 5 calls used up in \d+ h$/,
		);
		await page.keyboard.press('/');
		await page.keyboard.type('LIMITS.HOUR');
		await until('the others go', async () => (await ofTurn.count()) === 0);
		t.equal(await queryOf(page), '?text=LIMITS.HOUR');
		await page.keyboard.press('Escape');
		await page.keyboard.press('j');
		await page.getByRole('img', { name: /^Use of the last 4 windows: until .*: 700 of 1,000 calls; .* 900 of 1,000 calls; / }).waitFor();

		await page.getByRole('button', { name: 'Reset…' }).click();
		await page.keyboard.type('an agent ran <b>wild</b>');
		await page.keyboard.press('Enter');
		await page.getByText(/Reset: \d+ calls forgotten, and recorded/).waitFor();
		t.match(await page.getByRole('article').innerText(), /0 of 1,000 calls used, has room/);
		await page.getByRole('link', { name: 'what used this budget' }).click();
		await row(page, 'operator').getByRole('link').click();
		await timeline(page).getByRole('button').click();
		t.match(
			await timeline(page).innerText(),
			/budget reset: \d+ calls forgotten: an agent ran <b>wild<\/b>[^]*"by": "bob@example\.com"[^]*"reason": "an agent ran <b>wild<\/b>"/,
		);
		t.same(complaints, []);
	});

	t.test('[budgets.phone] the budgets fit a phone, and the gateway says who may not see them', async (t) => {
		const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' } as const;
		const { page, complaints } = await openInbox(t, chromium!, built, '/budgets', phone);
		await page.getByRole('list', { name: 'Budgets' }).getByRole('link').first().tap();
		await page.getByRole('img', { name: /^Use of the last/ }).waitFor();
		t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
		await page.getByRole('button', { name: 'back to the list' }).tap();
		await page.getByRole('list', { name: 'Budgets' }).waitFor();
		t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
		t.same(complaints, []);

		await built.sql.query(`UPDATE people_sessions SET person = 'alice@example.com'`, []);
		await page.reload();
		await page.getByText('only the operator may do this, and alice@example.com is not').waitFor();
		t.equal(await page.getByRole('link', { name: 'Budgets' }).count(), 0, 'nor are they led there');
	});
});

/** What the hours before came to, of the budget that the turn has used. */
async function earlierHours({ sql }: Built): Promise<void> {
	await sql.query(
		`INSERT INTO budgets (key, rule, unit, ceiling, spent, window_ends_at)
		SELECT '["limits.hour","calls","principal=alice@example.com","hour before ' || n || '"]', 'limits.hour', 'calls', 1000, n * 100,
			b.window_ends_at - (10 - n) * interval '1 hour' FROM budgets b, generate_series(7, 9) AS n WHERE b.key LIKE '["limits.hour","calls","principal=alice@example.com%'`,
		[],
	);
}
