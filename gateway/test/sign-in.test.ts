import t from 'tap';
import { type Browser, browser } from './browser-cookies.ts';
import { build, type Built } from './build.ts';

const linkOf = async ({ api }: Built): Promise<string> => (await api<{ path: string }>('POST', '/api/sign-in-links')).json.path;

/** A browser that has come in by a link, and the token for its writes. */
async function signedIn(built: Built): Promise<{ bob: Browser; csrf: Record<string, string> }> {
	const bob = browser(built.peopleUrl);
	await bob.request(await linkOf(built));
	const { json } = await bob.request('/api/session');
	return { bob, csrf: { 'x-csrf-token': json['csrfToken'] as string } };
}

t.test('[console.closed] who is not signed in and has no operator token reaches nothing under /api', async (t) => {
	const built = await build(t);
	const stranger = browser(built.peopleUrl);
	for (const path of [
		'/api/session',
		'/api/approvals',
		'/api/approvals/stream',
		'/api/approvals/x',
		'/api/approvals/x/context',
		'/api/audit',
		'/api/audit/tail',
		'/api/policy',
		'/api/budgets',
		'/api/tokens',
		'/api/tools',
		'/api/nothing',
	]) {
		const { status, json } = await stranger.request(path);
		t.equal(status, path === '/api/nothing' ? 404 : 401, path);
		t.match(json, { error: { code: path === '/api/nothing' ? 'NOT_FOUND' : 'UNAUTHENTICATED' } });
	}
	for (const path of ['/api/sign-in-links', '/api/approvals/x/approve', '/api/approvals/x/resolve', '/api/tokens', '/api/policy/reload']) {
		t.equal((await stranger.request(path, { method: 'POST', body: {} })).status, 401, path);
	}
	t.equal((await stranger.request('/api/session', { headers: { authorization: 'Bearer wrong' } })).status, 401);
	t.equal((await stranger.request('/api/session', { headers: { cookie: `toolgate_00000000=${'A'.repeat(43)}` } })).status, 401);
});

t.test('[sign-in.link] a sign-in link opens one session, and its cookie is out of reach of scripts and other sites', async (t) => {
	const built = await build(t);
	const link = await linkOf(built);
	const bob = browser(built.peopleUrl);
	t.equal((await fetch(built.peopleUrl + link, { method: 'HEAD', redirect: 'manual' })).status, 404, 'looking at it does not use it');
	const first = await bob.request(link);
	t.equal(first.status, 303);
	t.equal(first.headers.get('location'), '/');
	t.match(first.setCookies[0], /^toolgate_[0-9a-f]{8}=[\w-]{43}; Path=\/api; HttpOnly; SameSite=Strict$/);
	t.match((await bob.request('/api/session')).json, {
		person: { id: 'bob@example.com', isOperator: true, groups: ['finance', 'support'] },
	});

	const second = browser(built.peopleUrl);
	const again = await second.request(link);
	t.equal(again.headers.get('location'), '/sign-in?problem=link', 'the second time it opens nothing');
	t.equal(again.setCookies.length, 0);
	t.equal((await second.request('/sign-in?code=nonsense')).headers.get('location'), '/sign-in?problem=link');

	const contested = await linkOf(built);
	const tries = await Promise.all(Array.from({ length: 8 }, () => browser(built.peopleUrl).request(contested)));
	t.equal(tries.filter(({ setCookies }) => setCookies.length > 0).length, 1, 'of eight at once, one comes in');

	const late = await linkOf(built);
	await built.sql.query("UPDATE sign_in_links SET expires_at = clock_timestamp() - interval '1 second'", []);
	t.equal((await bob.request(late)).headers.get('location'), '/sign-in?problem=link', 'after ten minutes it opens nothing');
	t.match(await built.events('&kind=operator'), [
		{ message: 'sign-in link made: for bob@example.com, valid 10 minutes' },
		{ principal: 'bob@example.com', message: 'signed in: bob@example.com by link' },
	]);
});

t.test('[sign-in.session] a session ends when it is idle, when it is old, and when its person signs out', async (t) => {
	const built = await build(t);
	const age = (column: string, by: string) =>
		built.sql.query(`UPDATE people_sessions SET ${column} = clock_timestamp() - interval '${by}'`, []);
	{
		const { bob } = await signedIn(built);
		await age('seen_at', '7 hours 59 minutes');
		t.equal((await bob.request('/api/session')).status, 200);
		const [row] = await built.sql.query<{ is_fresh: boolean }>(
			"SELECT seen_at > clock_timestamp() - interval '1 minute' AS is_fresh FROM people_sessions",
			[],
		);
		t.equal(row!.is_fresh, true, 'being used keeps it');
		await age('seen_at', '8 hours 1 second');
		t.equal((await bob.request('/api/session')).status, 401);
	}
	{
		const { bob } = await signedIn(built);
		await age('created_at', '7 days 1 second');
		t.equal((await bob.request('/api/session')).status, 401);
	}
	const { bob, csrf } = await signedIn(built);
	const [[name, secret]] = [...bob.cookies] as [[string, string]];
	t.equal((await bob.request('/api/session', { method: 'DELETE', headers: csrf })).status, 204);
	t.equal(bob.cookies.size, 0);
	t.equal(
		(await bob.request('/api/session', { headers: { cookie: `${name}=${secret}` } })).status,
		401,
		'a copy of the cookie is worth nothing any more',
	);
});

t.test(
	'[console.csrf] CSRF: a write with a cookie needs the token that only a page of this origin can read; a foreign page is refused before',
	async (t) => {
		const built = await build(t);
		const { bob, csrf } = await signedIn(built);
		const write = (headers: Record<string, string>) => bob.request('/api/policy/reload', { method: 'POST', body: {}, headers });
		t.match(await write({}), { status: 403, json: { error: { code: 'CSRF_TOKEN' } } });
		t.match(await write({ 'x-csrf-token': 'guess' }), { status: 403, json: { error: { code: 'CSRF_TOKEN' } } });
		const other = await signedIn(built);
		t.match(await write(other.csrf), { status: 403, json: { error: { code: 'CSRF_TOKEN' } } }, 'the token of another session');
		t.match(await write({ ...csrf, origin: 'https://evil.example' }), { status: 403, json: { error: { code: 'FORBIDDEN_HOST' } } });
		t.match(await write({ ...csrf, origin: 'null' }), { status: 403 }, 'a sandboxed frame');
		t.match(await bob.request('/api/session', { headers: { host: 'evil.example' } }), { status: 200 }, 'fetch sets its own Host');
		t.equal((await write(csrf)).status, 200);
		t.equal(
			(await built.api('POST', '/api/policy/reload', {})).status,
			200,
			'the operator token needs none: no browser sends it by itself',
		);
	},
);

t.test(
	'[console.policy] every answer forbids framing and guessing; the page runs its own scripts only, and assets are kept for ever',
	async (t) => {
		const { peopleUrl } = await build(t);
		const anybody = browser(peopleUrl);
		for (const path of ['/', '/api/session', '/readyz', '/nothing', '/sign-in/options', '/approvals']) {
			const { headers } = await anybody.request(path);
			t.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/, path);
			t.equal(headers.get('x-frame-options'), 'DENY');
			t.equal(headers.get('x-content-type-options'), 'nosniff');
			t.equal(headers.get('referrer-policy'), 'same-origin');
			t.equal(headers.get('cache-control'), 'no-store');
		}
		const page = await anybody.request('/approvals/0b9c');
		t.equal(page.status, 200, 'a client route answers with the page');
		const policy = page.headers.get('content-security-policy')!;
		t.match(policy, /script-src 'self';/);
		t.notMatch(policy, /unsafe|https?:|\*/);
		const [, nonce] = /style-src 'self' 'nonce-([^']+)'/.exec(policy)!;
		t.ok(page.text.includes(`nonce="${nonce}"`));
		t.notMatch(page.text, /<script(?![^>]*\bsrc=)|<style|\son\w+=|style=/, 'nothing inline');
		t.not(
			/nonce-([^']+)'/.exec((await anybody.request('/')).headers.get('content-security-policy')!)![1],
			nonce,
			'each answer has a nonce of its own',
		);

		const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec(page.text)!;
		const asset = await anybody.request(script!);
		t.equal(asset.headers.get('content-type'), 'text/javascript; charset=utf-8');
		t.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable');
		for (const path of [
			'/assets/..%2f.built-from',
			'/assets/%2e%2e%2fconsole.html',
			'/assets/none.js',
			'/approvals/a/b',
			'/index.html',
			'/audits',
		]) {
			t.match(await anybody.request(path), { status: 404, json: { error: { code: 'NOT_FOUND' } } }, path);
		}
	},
);
