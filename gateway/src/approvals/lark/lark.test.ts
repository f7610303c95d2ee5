import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { buildMockLark } from '../../../../tools/mock-lark/app.ts';
import type { ApprovalView } from '../approval.ts';
import { CallbackVerifier, type LarkSecrets } from './callback.ts';
import { endedCard, pendingCard } from './card.ts';
import { createLarkNotifier } from './notifier.ts';

const NOW_MS = 1_700_000_000_000;
const TOKEN = { verificationToken: 'vt' };

function approval(more: Partial<ApprovalView> = {}): ApprovalView {
	return {
		id: 'a1',
		state: 'pending',
		principal: 'alice@example.com',
		agent: 'bot',
		server: 'stripe',
		tool: 'create_refund',
		arguments: { charge: 'ch_1', amount: 4200 },
		recordOnly: [],
		reasons: [{ rule: 'payments.refund', message: 'a refund moves money: a person must agree' }],
		requirements: [{ rule: 'payments.refund', approvers: ['group:finance'], quorum: 1, ttlSeconds: 900 }],
		votes: [],
		requestedAtMs: NOW_MS,
		expiresAtMs: NOW_MS + 900_000,
		callId: 'c1',
		decisionId: 'd1',
		revision: 'r1',
		definitionDigest: 'sha256:x',
		argumentsDigest: 'hmac-sha256:x',
		sentDigest: 'hmac-sha256:y',
		...more,
	};
}

const click = (more: object = {}) => ({
	schema: '2.0',
	header: { event_id: 'e1', event_type: 'card.action.trigger', token: 'vt', ...more },
	event: { operator: { open_id: 'ou_bob' }, action: { value: { toolgate: { approval: 'a1', decision: 'approve' } }, tag: 'button' } },
});

/** A callback as Lark signs it, computed here and nowhere else. */
function signed(
	content: object,
	{ verificationToken, encryptKey }: LarkSecrets,
	{ atMs = NOW_MS, nonce = randomBytes(6).toString('hex') } = {},
) {
	let text = JSON.stringify(content);
	if (encryptKey !== undefined) {
		const iv = randomBytes(16);
		const cipher = createCipheriv('aes-256-cbc', createHash('sha256').update(encryptKey).digest(), iv);
		text = JSON.stringify({ encrypt: Buffer.concat([iv, cipher.update(text), cipher.final()]).toString('base64') });
	}
	const timestamp = String(Math.floor(atMs / 1000));
	const signature = createHash(encryptKey === undefined ? 'sha1' : 'sha256')
		.update(timestamp + nonce + (encryptKey ?? verificationToken ?? '') + text)
		.digest('hex');
	return {
		headers: { 'x-lark-request-timestamp': timestamp, 'x-lark-request-nonce': nonce, 'x-lark-signature': signature },
		body: Buffer.from(text),
	};
}

t.test('a signed click says who decided what, in the clear and encrypted', async (t) => {
	const said = { kind: 'click', openId: 'ou_bob', approvalId: 'a1', decision: 'approve', eventId: 'e1' };
	for (const secrets of [TOKEN, { ...TOKEN, encryptKey: 'ek' }, { encryptKey: 'ek' }]) {
		t.same(new CallbackVerifier(secrets, () => NOW_MS).verify(signed(click(), secrets)), said);
	}
});

t.test('a callback that Lark did not make, or not now, or not once, is refused with the reason', async (t) => {
	const encrypted = { ...TOKEN, encryptKey: 'ek' };
	const good = signed(click(), TOKEN);
	const cases: [string, LarkSecrets, { headers: Record<string, string>; body: Buffer }, RegExp][] = [
		['another secret', TOKEN, signed(click(), { verificationToken: 'other' }), /signature is wrong/],
		['no signature at all', TOKEN, { headers: {}, body: good.body }, /headers are missing/],
		['an empty signature', TOKEN, { ...good, headers: { ...good.headers, 'x-lark-signature': '' } }, /signature is wrong/],
		['a token in the body alone', encrypted, { headers: {}, body: Buffer.from(JSON.stringify(click())) }, /not encrypted/],
		['in the clear where a key is configured', encrypted, signed(click(), TOKEN), /not encrypted/],
		['encrypted with another key', encrypted, signed(click(), { encryptKey: 'other' }), /decrypted/],
		[
			're-serialised',
			TOKEN,
			{ ...good, body: Buffer.from(JSON.stringify(JSON.parse(good.body.toString()), undefined, 1)) },
			/signature is wrong/,
		],
		['stale', TOKEN, signed(click(), TOKEN, { atMs: NOW_MS - 301_000 }), /stale/],
		['from the future', TOKEN, signed(click(), TOKEN, { atMs: NOW_MS + 301_000 }), /stale/],
		['another token in the header', TOKEN, signed(click({ token: 'x' }), TOKEN), /token is wrong/],
		['another event', TOKEN, signed(click({ event_type: 'im.message.receive_v1' }), TOKEN), /not a card callback/],
		['not JSON', TOKEN, { headers: good.headers, body: Buffer.from('{') }, /not a JSON object/],
		[
			'a foreign button',
			TOKEN,
			signed({ ...click(), event: { operator: { open_id: 'ou_bob' }, action: { value: {} } } }, TOKEN),
			/not of a button of ours/,
		],
	];
	for (const [name, secrets, request, why] of cases)
		t.match(new CallbackVerifier(secrets, () => NOW_MS).verify(request), { kind: 'refused', why }, name);
});

t.test('a callback counts once: neither its nonce nor its event comes again', async (t) => {
	const verifier = new CallbackVerifier(TOKEN, () => NOW_MS);
	t.match(verifier.verify(signed(click(), TOKEN, { nonce: 'n1' })), { kind: 'click' });
	t.match(verifier.verify(signed(click(), TOKEN, { nonce: 'n1' })), { kind: 'refused', why: /repeated/ });
	t.match(
		verifier.verify(signed(click(), TOKEN, { nonce: 'n2' })),
		{ kind: 'refused', why: /repeated/ },
		'the same event under another nonce',
	);
	t.match(verifier.verify(signed(click({ event_id: 'e2' }), TOKEN, { nonce: 'n3' })), { kind: 'click' });
});

t.test('url_verification is answered, and only with the right token', async (t) => {
	const verifier = new CallbackVerifier(TOKEN, () => NOW_MS);
	const ask = (token: string) =>
		verifier.verify({ headers: {}, body: Buffer.from(JSON.stringify({ type: 'url_verification', challenge: 'x', token })) });
	t.same(ask('vt'), { kind: 'challenge', challenge: 'x' });
	t.match(ask('other'), { kind: 'refused' });
});

t.test('without a secret nothing could be verified', async (t) => {
	t.throws(() => new CallbackVerifier({}, () => NOW_MS), RangeError);
});

t.test('what agents say can neither format a card nor hide in it', async (t) => {
	const card = JSON.stringify(
		pendingCard(approval({ agent: '**bold** <at id=all></at> [x](http://evil)', arguments: { note: 'a\u202eb\u200b' } })),
	);
	t.notMatch(card, /<at|\*\*bold|\]\(http/);
	t.notMatch(card, /\u202e|\u200b/);
	t.match(card, /u202e/);
});

t.test('a card is sent and becomes terminal, against a Lark that is strict about cards', async (t) => {
	const secrets = { appId: 'cli_demo', appSecret: 'demo-secret', verificationToken: 'vt', encryptKey: '' };
	const lark = buildMockLark({ mode: 'ignore', callbackUrl: 'http://127.0.0.1:9/none', operator: 'ou_bob' }, secrets);
	t.teardown(() => lark.close());
	const apiBaseUrl = await lark.listen({ port: 0, host: '127.0.0.1' });
	const notifier = await createLarkNotifier({ appId: 'cli_demo', appSecret: 'demo-secret', chatId: 'oc_demo', apiBaseUrl });
	const messageId = await notifier.requested(approval());
	t.equal(await notifier.requested(approval()), messageId);
	const messages = async () => (await (await fetch(`${apiBaseUrl}/_messages`)).json()) as { card: object }[];
	t.equal((await messages()).length, 1, 'a repeated attempt is the same message');
	await notifier.ended(
		approval({
			state: 'rejected',
			votes: [{ approver: 'bob@example.com', decision: 'reject', reason: 'too much', via: 'lark', atMs: NOW_MS, counts: [0] }],
		}),
		messageId,
	);
	const [message] = await messages();
	t.match(JSON.stringify(message!.card), /Rejected.*bob/s);
	t.notMatch(JSON.stringify(message!.card), /"button"/);
	const wrong = await createLarkNotifier({ appId: 'cli_other', appSecret: 'x', chatId: 'oc_demo', apiBaseUrl });
	await t.rejects(wrong.requested(approval()), 'a card that was not sent is told');
	t.match(endedCard(approval({ state: 'expired' })), { header: { title: { content: /Expired/ } } });
});
