import t from 'tap';
import { openStore } from '../store/open.ts';
import { hashOfToken, makeToken, Tokens } from './tokens.ts';

t.test('a token is long, random, and found by its hash only while it is valid', async (t) => {
	const store = await openStore({ dsn: '', dataDir: t.testdir() });
	t.teardown(() => store.close());
	const tokens = new Tokens(store);
	const made = await tokens.create({ name: 'laptop', principal: 'bob@example.com', agent: 'billing' });
	t.match(made.token, /^tg_[0-9A-Za-z]{43}$/);
	t.ok(Math.abs(made.createdAtMs - Date.now()) < 60_000, 'milliseconds since the epoch');
	const hash = hashOfToken(made.token) as Uint8Array;
	t.strictSame(await tokens.find(hash), { principal: 'bob@example.com', agent: 'billing' });
	t.equal(await tokens.find(hashOfToken(makeToken()) as Uint8Array), undefined);

	const other = await tokens.create({ name: 'other', principal: 'carol@example.com', agent: 'default' });
	const listed = await tokens.list();
	t.strictSame(new Set(listed.map(({ name }) => name)), new Set(['laptop', 'other']));
	t.notMatch(JSON.stringify(listed), /tg_|hash/, 'neither text nor hash is ever listed');

	const revoked = await tokens.revoke(made.id);
	t.type(revoked?.revokedAtMs, 'number');
	t.equal(await tokens.find(hash), undefined);
	t.equal((await tokens.revoke(made.id))?.revokedAtMs, revoked?.revokedAtMs, 'the first time counts');
	t.equal(await tokens.revoke('no such id'), undefined);
	t.ok(await tokens.find(hashOfToken(other.token) as Uint8Array), 'others stay valid');
	const rows = await store.query('SELECT * FROM tokens');
	t.notMatch(JSON.stringify(rows), made.token, 'the text is nowhere in the store');
});

t.test('what can not be a token is not looked up', async (t) => {
	for (const text of ['', 'tg_', 'tg_short', `TG_${'a'.repeat(43)}`, `tg_${'a'.repeat(42)}-`, `tg_${'a'.repeat(200)}`, ` ${makeToken()}`])
		t.equal(hashOfToken(text), undefined, text);
	t.not(makeToken(), makeToken());
});
