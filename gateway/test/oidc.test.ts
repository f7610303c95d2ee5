import t, { type Test } from 'tap';
import { openAgent } from './agent.ts';
import { type Answer, type Browser, browser } from './browser-cookies.ts';
import { build, type Built, people } from './build.ts';
import { CLIENT, oidcProvider, type OidcProvider } from './oidc-provider.ts';
import { until } from './until.ts';

/** Sign-in at an OpenID provider: a real one, over HTTP. */

async function both(t: Test, settings: Readonly<Record<string, unknown>> = {}): Promise<{ built: Built; provider: OidcProvider }> {
	const provider = await oidcProvider(t);
	const oidc = { issuer: provider.issuer, ...CLIENT, scopes: ['email', 'groups'], ...settings };
	const built = await build(t, { config: { signIn: { oidc }, people: { ...people, '*@corp.example': {} } } });
	provider.register(`${built.peopleUrl}/sign-in/oidc/callback`);
	return { built, provider };
}

interface Visit {
	readonly person: Browser;
	/** The answer of the gateway to the browser that comes back. */
	readonly back: Answer;
	/** With which address it came. */
	readonly url: string;
}

/** As a browser: to the provider, through it, and back. */
async function visit(built: Built, provider: OidcProvider, to = '/'): Promise<Visit> {
	const person = browser(built.peopleUrl);
	const elsewhere = browser(provider.issuer);
	const begun = await person.request(`/sign-in/oidc?to=${encodeURIComponent(to)}`);
	let next = begun.headers.get('location')!;
	while (!next.startsWith(built.peopleUrl)) next = new URL((await elsewhere.request(next)).headers.get('location')!, provider.issuer).href;
	return { person, back: await person.request(next), url: next };
}

t.test('[sign-in.oidc] a person signs in at the provider and decides as themselves, with the groups it names', async (t) => {
	const { built, provider } = await both(t);
	t.same((await browser(built.peopleUrl).request('/sign-in/options')).json, { oidc: true });
	provider.person = { email: 'carol@corp.example', email_verified: true, groups: ['finance', 'board'] };
	const { person, back } = await visit(built, provider, '/approvals/x');
	t.equal(back.status, 303);
	t.equal(back.headers.get('location'), '/approvals/x', 'and is where they wanted to go');
	t.match(
		back.setCookies.join('\n'),
		/^toolgate_[0-9a-f]{8}_oidc=; Path=\/sign-in; HttpOnly; SameSite=Lax; Max-Age=0\ntoolgate_[0-9a-f]{8}=[\w-]{43}; Path=\/api; HttpOnly; SameSite=Strict$/,
	);
	const { json } = await person.request('/api/session');
	t.match(json, { person: { id: 'carol@corp.example', groups: ['finance', 'board'], isOperator: false } });
	t.match(await built.events('&kind=operator'), [{ principal: 'carol@corp.example', message: 'signed in: carol@corp.example by oidc' }]);

	const headers = { 'x-csrf-token': json['csrfToken'] as string };
	const held = (await openAgent(built.mcpUrl)).call('create_refund', { charge: 'ch_alice_4', amount: 4_200 });
	const [approval] = await until('an approval', async () => {
		const { json } = await person.request('/api/approvals');
		return (json['approvals'] as { id: string; you: object }[]).length > 0 && (json['approvals'] as { id: string; you: object }[]);
	});
	t.match(approval!.you, { mayApprove: true, mayReject: true, mayEnd: true });
	t.match((await person.request(`/api/approvals/${approval!.id}/approve`, { method: 'POST', body: {}, headers })).json, {
		state: 'approved',
		decided: { by: 'carol@corp.example' },
		votes: [{ via: 'inbox' }],
	});
	t.equal((await held).word, 'ok');

	for (const [method, path] of [
		['GET', '/api/tokens'],
		['POST', '/api/tokens'],
		['POST', '/api/policy/reload'],
		['POST', '/api/sign-in-links'],
		['POST', '/api/tools/stripe/create_refund/accept'],
	] as const) {
		t.match(
			await person.request(path, { method, headers, ...(method === 'POST' ? { body: {} } : {}) }),
			{ status: 403, json: { error: { code: 'FORBIDDEN_PERSON' } } },
			`${method} ${path} is the operator's`,
		);
	}
});

t.test(
	'[sign-in.requester] whoever asked decides nothing, resolves nothing and withdraws nothing, whichever way they come in',
	async (t) => {
		const { built, provider } = await both(t);
		provider.person = { email: 'alice@example.com', email_verified: true, groups: ['finance'] };
		const { person } = await visit(built, provider);
		const headers = { 'x-csrf-token': (await person.request('/api/session')).json['csrfToken'] as string };
		const held = (await openAgent(built.mcpUrl)).call('create_refund', { charge: 'ch_alice_4', amount: 4_200 });
		const [approval] = await until('an approval', async () => {
			const { approvals } = (await built.api<{ approvals: { id: string }[] }>('GET', '/api/approvals')).json;
			return approvals.length > 0 && approvals;
		});
		const act = (name: string, body: object = {}) =>
			person.request(`/api/approvals/${approval!.id}/${name}`, { method: 'POST', body, headers });
		for (const [name, body] of [
			['approve', {}],
			['reject', {}],
			['withdraw', {}],
			['resolve', { ran: false }],
		] as const)
			t.match(await act(name, body), { status: 403, json: { error: { code: 'FORBIDDEN_APPROVER' } } }, name);
		t.match((await person.request(`/api/approvals/${approval!.id}`)).json, {
			state: 'pending',
			you: { mayApprove: false, mayEnd: false, whyNot: 'nobody decides about a call of their own' },
		});
		await built.api('POST', `/api/approvals/${approval!.id}/reject`, {});
		t.equal((await held).word, 'rejected');
	},
);

t.test('[sign-in.strangers] the provider may know the world: who is not named, or not verified, stays outside', async (t) => {
	const { built, provider } = await both(t, { allowedGroups: ['approvers'] });
	const problemOf = async (claims: Readonly<Record<string, unknown>> | undefined) => {
		provider.person = claims;
		const { person, back } = await visit(built, provider);
		t.equal((await person.request('/api/session')).status, claims?.['groups'] === undefined ? 401 : 200);
		return back.headers.get('location');
	};
	t.equal(await problemOf({ email: 'eve@evil.example', email_verified: true }), '/sign-in?problem=stranger');
	t.equal(
		await problemOf({ email: 'bob@example.com', email_verified: false }),
		'/sign-in?problem=stranger',
		'an address that nobody verified is a claim of nobody',
	);
	t.equal(await problemOf({ email: 'bob@example.com' }), '/sign-in?problem=stranger');
	t.equal(await problemOf({ email_verified: true }), '/sign-in?problem=provider');
	t.equal(
		await problemOf({ email: 'bob@example.com\u202E', email_verified: true }),
		'/sign-in?problem=provider',
		'an address that looks like another',
	);
	t.equal(await problemOf(undefined), '/sign-in?problem=refused');
	t.equal(await problemOf({ email: 'dan@else.example', email_verified: true, groups: ['approvers'] }), '/', 'a group that is let in');
	t.match(await built.events('&kind=operator'), [
		{ principal: 'eve@evil.example', message: /sign-in refused: eve@evil.example: neither people nor/ },
		{ principal: 'bob@example.com' },
		{ principal: 'bob@example.com' },
		{ message: 'signed in: dan@else.example by oidc' },
	]);
	t.notOk(built.news.some((text) => text.includes(CLIENT.clientSecret)));
});

t.test(
	'[sign-in.forged] an answer that this browser did not ask for, or a second time, signs nobody in; nobody is sent elsewhere',
	async (t) => {
		const { built, provider } = await both(t);
		provider.person = { email: 'carol@corp.example', email_verified: true };
		const { person, url } = await visit(built, provider);
		const callback = url.slice(built.peopleUrl.length);
		t.equal((await browser(built.peopleUrl).request(callback)).headers.get('location'), '/sign-in?problem=expired', 'in another browser');
		t.equal((await person.request(callback)).headers.get('location'), '/sign-in?problem=expired', 'again');
		const other = browser(built.peopleUrl);
		await other.request('/sign-in/oidc');
		t.equal((await other.request(callback)).headers.get('location'), '/sign-in?problem=provider', 'the state of another');
		await other.request('/sign-in/oidc');
		const [[name, sealed]] = [...other.cookies] as [[string, string]];
		const altered = sealed.slice(0, -4) + (sealed.endsWith('AAAA') ? 'BBBB' : 'AAAA');
		t.equal(
			(await browser(built.peopleUrl).request(callback, { headers: { cookie: `${name}=${altered}` } })).headers.get('location'),
			'/sign-in?problem=expired',
			'a cookie of its own making',
		);
		for (const to of ['//evil.example', '/\\evil.example', 'https://evil.example/', '/a\nb', '/sign-in?code=x']) {
			t.equal((await visit(built, provider, to)).back.headers.get('location'), '/', JSON.stringify(to));
		}
	},
);

t.test('[sign-in.down] a provider that is down stops no start, and is asked again when the next person comes', async (t) => {
	const provider = await oidcProvider(t);
	const built = await build(t, { config: { signIn: { oidc: { issuer: provider.issuer, ...CLIENT } } } });
	t.equal((await browser(built.peopleUrl).request('/sign-in/oidc')).headers.get('location'), '/sign-in?problem=provider');
	t.ok(built.news.some((text) => text.startsWith('signIn.oidc: the provider can not be reached')));
	provider.register(`${built.peopleUrl}/sign-in/oidc/callback`);
	provider.person = { email: 'bob@example.com', email_verified: true };
	const { person } = await visit(built, provider);
	t.match(
		(await person.request('/api/session')).json,
		{ person: { id: 'bob@example.com', isOperator: true } },
		'the operator is the operator this way too',
	);
});
