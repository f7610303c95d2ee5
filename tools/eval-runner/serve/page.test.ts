import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { openChromium } from '../../../gateway/test/chromium.ts';
import { until } from '../../../gateway/test/until.ts';
import { buildWhenStale } from '../../../ui/build.ts';

/** The eval page as a person has it: a real browser, a stack of its own, and every fault by a button. */

const root = new URL('../../../', import.meta.url).pathname;
/** Where screenshots for the README go; empty: none are made. */
const pictures = process.env['TOOLGATE_SCREENSHOTS'] ?? '';
/** For one step, on a machine that is slow and busy. */
const PATIENCE_MS = 100_000;

await buildWhenStale();
const chromium = await openChromium(t);

async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	server.close();
	return port;
}

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const child = spawn(
	process.execPath,
	['tools/eval-runner/main.ts', '--serve', 'evalsuite/resilience.yaml', '--fresh', '--port', String(port)],
	{
		cwd: root,
		env: { PATH: process.env['PATH'] },
		stdio: ['ignore', 'pipe', 'pipe'],
	},
);
const ended = once(child, 'close') as Promise<[number | null]>;
t.teardown(async () => {
	child.kill('SIGINT');
	await ended;
});
let said = '';
for (const out of [child.stdout, child.stderr]) out.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
while (!said.includes('http://') && child.exitCode === null) await Promise.race([once(child.stdout, 'data'), ended]);
if (child.exitCode !== null) throw new Error(said);

async function picture(page: Page, name: string): Promise<void> {
	if (pictures !== '') await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

/** The page, and what it complains of; what it shows is told where the test fails. */
async function openPage(t: Test): Promise<{ page: Page; complaints: string[] }> {
	const context = await chromium!.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' });
	const page = await context.newPage();
	page.setDefaultTimeout(PATIENCE_MS);
	const complaints: string[] = [];
	page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
	page.on('pageerror', (error) => complaints.push(error.message));
	t.teardown(async () => {
		if (!t.passing()) t.comment(await page.locator('body').innerText());
		await context.close();
	});
	await page.goto(url);
	return { page, complaints };
}

t.test('three scenarios from a cold start, with every fault by a button', { skip: chromium === undefined, timeout: 280_000 }, async (t) => {
	const { page, complaints } = await openPage(t);
	const service = (name: string) => page.getByRole('listitem', { name, exact: true });
	const state = (name: string, word: 'up' | 'down') => service(name).getByText(word, { exact: true }).waitFor();
	const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
	const article = (name: string) => page.getByRole('article', { name });
	/** The verdict, when there is one. */
	const verdict = (name: string) => article(name).getByRole('status').innerText();
	const trace = async () =>
		(await page.getByRole('list', { name: 'Trace' }).innerText())
			.split(/\s+/)
			.filter((word) => /^[a-z]+[_A-Za-z]*$/.test(word) && !['s', 'ms', 'in'].includes(word));

	for (const name of ['localstripe', 'mock-lark', 'localstripe-mcp', 'gateway', 'eval-trigger', 'postgres']) await state(name, 'up');
	await press('Refresh');
	t.match(await service('postgres').innerText(), /inside the gateway, checked/);
	t.equal(await service('postgres').getByRole('button').count(), 0, 'what has no process has no button');

	await press('break localstripe-mcp');
	await state('localstripe-mcp', 'down');
	t.match(await service('localstripe-mcp').innerText(), /stopped here, checked/);
	await press('run MCP Crash');
	t.match(await verdict('MCP Crash'), /^✓ as expected/);
	t.strictSame(await trace(), ['list_recent_charges', 'allow', 'upstream_error']);
	t.match(await page.getByRole('timer', { name: 'elapsed' }).innerText(), /^\d+\.\d s$/);
	await page.getByRole('list', { name: 'Trace' }).getByRole('button').click();
	t.match(
		await page.getByRole('list', { name: 'Trace' }).innerText(),
		/"customer": "alice@example\.com"[^]*What the agent was answered[^]*upstream_error/,
		'a click opens arguments, answer and events',
	);

	await press('run Retry Storm');
	t.match(await verdict('Retry Storm'), /^✓ as expected/);
	const words = await trace();
	t.equal(words.filter((word) => word === 'upstream_error').length, 5);
	t.equal(words.at(-1), 'budgetExceeded');
	await state('localstripe-mcp', 'down');

	await press('heal localstripe-mcp');
	await state('localstripe-mcp', 'up');
	await press('break mock-lark');
	await state('mock-lark', 'down');
	// By keyboard: the next case, and run it.
	await page.keyboard.press('j');
	const held = article('Approval Timeout');
	await held.waitFor();
	await page.keyboard.press('r');
	const countdown = held.getByText(/^expires in \d+\.\d s$/);
	await countdown.waitFor();
	const left = async () => (await countdown.allInnerTexts()).map((text) => Number(/\d+\.\d/.exec(text)![0]))[0];
	const first = await left();
	if (first !== undefined) t.ok(first <= 15, `${first} s are left`);
	await until('the countdown to go on', async () => (await left()) !== first, PATIENCE_MS);
	await picture(page, 'evals');
	t.match(await verdict('Approval Timeout'), /^✓ as expected/);
	t.strictSame(await trace(), ['list_recent_charges', 'allow', 'create_refund', 'approvalRequired', 'expired']);
	await press('heal mock-lark');
	await state('mock-lark', 'up');
	t.equal(await held.getByRole('table').getByText('✓ the same').count(), 4);
	t.equal(await held.getByRole('region', { name: 'History' }).getByRole('listitem').count(), 1);

	await page.setViewportSize({ width: 390, height: 844 });
	await page.emulateMedia({ colorScheme: 'dark' });
	t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing is wider than a phone');
	await picture(page, 'evals-phone');
	t.same(complaints, []);
});

t.test(
	'the page works while what it watches is down: a case that can not run says why, and one that runs is stopped',
	{ skip: chromium === undefined, timeout: 280_000 },
	async (t) => {
		const { page } = await openPage(t);
		const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
		await page.getByRole('listitem', { name: 'gateway', exact: true }).getByText('up', { exact: true }).waitFor();
		await press('break localstripe');
		await press('heal localstripe');
		await press('break gateway');
		await page.getByRole('listitem', { name: 'gateway', exact: true }).getByText('down', { exact: true }).waitFor();
		await press('run MCP Crash');
		await page
			.getByRole('status')
			.getByText(/nothing answers at|can't be reached/)
			.waitFor();
		await press('heal gateway');
		await page.getByRole('listitem', { name: 'gateway', exact: true }).getByText('up', { exact: true }).waitFor();

		await press('run Approval Timeout');
		await page.getByText(/^expires in/).waitFor();
		await press('Stop');
		await page.getByRole('status').getByText('stopped by hand').waitFor();
		await page.getByRole('listitem', { name: 'mock-lark', exact: true }).getByText('up', { exact: true }).waitFor();
	},
);

t.test('another page can neither read nor act, and a wrong request is told in one line', { timeout: 60_000 }, async (t) => {
	const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
		const response = await fetch(url + path, {
			method: 'POST',
			body: JSON.stringify(body),
			headers: { 'content-type': 'application/json', ...headers },
		});
		return [response.status, ((await response.json()) as { error?: string }).error];
	};
	t.strictSame(await post('/api/stop', {}, { origin: 'http://evil.example' }), [403, 'not from another page']);
	t.match(await post('/api/run', { names: ['nobody'] }), [400, /^names: expected some of MCP Crash/]);
	t.match(await post('/api/services/stripe/stop', {}), [404, /^no service stripe to stop or start; there are localstripe, /]);
	t.match(await post('/api/services/postgres/stop', {}), [404, /^no service postgres to stop or start/]);
	t.match(await post('/api/lark-mode', { mode: 'asleep' }), [400, /^mode: expected one of approve/]);
	t.match((await fetch(url)).headers.get('content-security-policy'), /default-src 'none'; script-src 'self'/);
});

t.test('Ctrl-C ends it', async (t) => {
	child.kill('SIGINT');
	t.equal((await ended)[0], 0);
	t.match(said, /^evalsuite\/resilience\.yaml on a stack of its own: http/);
});
