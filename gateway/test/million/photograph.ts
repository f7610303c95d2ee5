import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import type { Test } from 'tap';
import { aTurn, row, timeline } from '../audit-page.ts';
import type { Built } from '../build.ts';
import { openInbox } from '../inbox.ts';

const VIEWPORT = { width: 1440, height: 900 };

/** The pages of the documentation: the explorer with a story beside it, and a budget. */
export async function photograph(t: Test, chromium: Browser, built: Built, folder: string): Promise<void> {
	await aTurn(built, 'refund-for-alice');
	await earlierHours(built);
	const { page } = await openInbox(t, chromium, built, '/audit?server=stripe', { viewport: VIEWPORT, deviceScaleFactor: 1.5 });
	await page.getByText(/Chain intact/).waitFor();
	await row(page, 'create_refund').first().click();
	await timeline(page).getByText('Ended').waitFor();
	await page.getByRole('list', { name: 'Calls of the turn' }).waitFor();
	await page.getByRole('region', { name: 'Over time' }).getByRole('img').waitFor();
	await page.mouse.move(VIEWPORT.width / 2, 5);
	await page.screenshot({ path: join(folder, 'audit.png') });

	await page.goto(`${built.peopleUrl}/budgets`);
	await page
		.getByRole('list', { name: 'Budgets' })
		.getByRole('link', { name: /limits\.hour/ })
		.first()
		.click();
	await page.getByRole('img', { name: /^Use of the last/ }).waitFor();
	await page.mouse.move(VIEWPORT.width / 2, 5);
	await page.screenshot({ path: join(folder, 'budgets.png'), clip: { x: 0, y: 0, width: VIEWPORT.width, height: 640 } });
}

/** Several principals' budgets, and what the hours before came to. */
async function earlierHours({ sql }: Built): Promise<void> {
	await sql.query(
		`INSERT INTO budgets (key, rule, unit, ceiling, spent, reserved, window_ends_at)
		SELECT replace(b.key, 'alice', who), rule, unit, ceiling, used, 2, window_ends_at FROM budgets b,
			(VALUES ('carol', 998), ('dave', 731), ('erin', 560), ('frank', 214), ('grace', 88)) AS w (who, used) WHERE b.key LIKE '["limits.hour"%'`,
		[],
	);
	await sql.query(
		`INSERT INTO budgets (key, rule, unit, ceiling, spent, window_ends_at)
		SELECT regexp_replace(b.key, '"hour .*', '"hour before ' || n || '"]'), rule, unit, ceiling, round(480 + 330 * sin(n / 3.0) + 150 * cos(n * 1.7)),
			window_ends_at - n * interval '1 hour' FROM budgets b, generate_series(1, 40) AS n WHERE b.rule = 'limits.hour' AND b.window_ends_at > clock_timestamp()`,
		[],
	);
}
