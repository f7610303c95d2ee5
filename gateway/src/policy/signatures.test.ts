import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import { openBundle, readBundle } from './bundle.ts';
import { packFiles } from './bundle-files.ts';
import { ecPair, type Files, filesWith, type KeyPair, rsaPair, unpackInto } from './bundle-fixture.ts';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm, signJws, signingKey } from './jws.ts';
import { hashForm } from './opa-json.ts';
import { signFiles, type TrustedKey, type Verification } from './signatures.ts';
import { readTar, writeTar } from './tar.ts';

const rsa = rsaPair();
const otherRsa = rsaPair();
const curves = { ES256: ecPair('P-256'), ES384: ecPair('P-384'), ES512: ecPair('P-521') };
const secret = 'a shared secret of more than 32 bytes';
const pairOf = (algorithm: SignatureAlgorithm): KeyPair =>
	algorithm.startsWith('ES')
		? curves[algorithm as keyof typeof curves]
		: algorithm.startsWith('HS')
			? { publicKey: secret, privateKey: secret }
			: rsa;
const trusting = (key: Partial<TrustedKey> = {}, rest: Omit<Partial<Verification>, 'keys'> = {}): Verification => ({
	keys: { prod: { key: rsa.publicKey, algorithm: 'RS256', ...key } },
	...rest,
});
const signed = (files: Files, options: Partial<Parameters<typeof signFiles>[1]> = {}): Files =>
	new Map(files).set('.signatures.json', signFiles(files, { key: rsa.privateKey, algorithm: 'RS256', keyid: 'prod', ...options }));
const withToken = (files: Files, token: unknown): Files =>
	new Map(files).set('.signatures.json', Buffer.from(JSON.stringify({ signatures: [token] })));
const open = (files: Files, verification?: Verification) => openBundle(packFiles(files), verification);
const tokenIn = (files: Files): string =>
	(JSON.parse(Buffer.from(files.get('.signatures.json')!).toString()) as { signatures: [string] }).signatures[0];

/** The files as `opa sign` signs them. */
async function signedByOpa(
	t: Test,
	files: Files,
	algorithm: SignatureAlgorithm,
	claims?: object,
	pair = pairOf(algorithm),
): Promise<Files> {
	const folder = t.testdir({ bundle: {}, claims: JSON.stringify(claims ?? {}), key: pair.privateKey });
	const bundle = join(folder, 'bundle');
	unpackInto(bundle, files);
	const key = algorithm.startsWith('HS') ? secret : join(folder, 'key');
	const { code, stderr } = await runOpa(
		[
			'sign',
			'-b',
			'.',
			'--signing-alg',
			algorithm,
			'--signing-key',
			key,
			'-o',
			folder,
			...(claims === undefined ? [] : ['--claims-file', join(folder, 'claims')]),
		],
		{ cwd: bundle },
	);
	if (code !== 0) throw new Error(stderr);
	return new Map(files).set('.signatures.json', readFileSync(join(folder, '.signatures.json')));
}

/** Why OPA's own verifier refuses the bundle; nothing when it takes it. */
async function opaSays(t: Test, files: Files, algorithm: SignatureAlgorithm): Promise<string> {
	const folder = t.testdir({ key: pairOf(algorithm).publicKey });
	const bundle = join(folder, 'bundle.tar.gz');
	writeFileSync(bundle, packFiles(files));
	const key = algorithm.startsWith('HS') ? secret : join(folder, 'key');
	const { stdout, stderr } = await runOpa(
		[
			'build',
			'-b',
			bundle,
			'--verification-key',
			key,
			'--verification-key-id',
			'prod',
			'--signing-alg',
			algorithm,
			'-o',
			join(folder, 'out.tar.gz'),
		],
		{ cwd: folder },
	);
	return (stdout + stderr).trim();
}

t.test('what opa sign signs is accepted, with every algorithm', async (t) => {
	for (const algorithm of SIGNATURE_ALGORITHMS) {
		const files = await signedByOpa(t, filesWith({ data: { b: 1, a: [1.5e3, 'é\u2028<&>'] } }), algorithm);
		const key = { key: pairOf(algorithm).publicKey, algorithm, allowHmac: algorithm.startsWith('HS') };
		t.match(open(files, trusting(key)), { signature: { keyid: 'prod', algorithm } }, algorithm);
	}
	const scoped = await signedByOpa(t, filesWith(), 'ES256', { scope: 'write', keyid: 'prod' });
	t.match(
		open(scoped, {
			keys: {
				other: { key: rsa.publicKey, algorithm: 'RS256' },
				prod: { key: curves.ES256.publicKey, algorithm: 'ES256', scope: 'write' },
			},
		}),
		{
			signature: { keyid: 'prod', scope: 'write' },
		},
	);
});

t.test('a bundle that opa build signs is accepted', async (t) => {
	const folder = t.testdir({ key: curves.ES256.privateKey });
	const out = join(folder, 'bundle.tar.gz');
	const policy = join(import.meta.dirname, '../../../policy');
	const { code, stderr } = await runOpa(
		[
			'build',
			'-t',
			'wasm',
			'-b',
			join(policy, 'lib'),
			'--ignore',
			'*_test.rego',
			'--signing-key',
			join(folder, 'key'),
			'--signing-alg',
			'ES256',
			'-o',
			out,
		],
		{ cwd: folder },
	);
	t.equal(code, 0, stderr);
	const keys = { default: { key: curves.ES256.publicKey, algorithm: 'ES256' } } as const;
	t.match(await readBundle(out, { keys }), { signature: { keyid: 'default', algorithm: 'ES256' } });
	await t.rejects(readBundle(out, { keys: { prod: keys.default } }), {
		message: /signed with the key "default", which is not configured; known: prod/,
	});
	t.match(await readBundle(out, { keys: { prod: keys.default }, keyid: 'prod' }), { signature: { keyid: 'prod' } });
});

t.test('OPA accepts what we sign', async (t) => {
	for (const algorithm of ['RS256', 'PS384', 'ES256', 'ES512', 'HS256'] as const) {
		const files = signed(filesWith({ data: '{"toolgate": {"z": 1.0, "a": 1e3, "é": "\\ud83d\\ude00"}}' }), {
			key: pairOf(algorithm).privateKey,
			algorithm,
		});
		t.equal(await opaSays(t, files, algorithm), '', algorithm);
		t.match(await opaSays(t, new Map(files).set('data.json', Buffer.from('{"z": 1}')), algorithm), /digest mismatch/);
	}
});

t.test('stripped, altered, added, taken away, of another key: each is refused by name', async (t) => {
	const unsigned = filesWith();
	for (const files of [signed(unsigned), await signedByOpa(t, unsigned, 'RS256')]) {
		t.match(open(files, trusting()), { signature: { keyid: 'prod', algorithm: 'RS256' } });
		const cases: [Files, Verification | undefined, RegExp][] = [
			[unsigned, trusting(), /the bundle is not signed \(\.signatures\.json is missing\)/],
			[files, undefined, /the bundle is signed, but no key to verify it is configured/],
			[
				new Map(files).set('data.json', Buffer.from('{"toolgate":{"admins":["mallory"]}}')),
				trusting(),
				/^data\.json is not what was signed/,
			],
			[new Map(files).set('policy.wasm', Buffer.from('\0asm')), trusting(), /^policy\.wasm is not what was signed/],
			[
				new Map(files).set('.manifest', Buffer.from(Buffer.from(files.get('.manifest')!).toString().replace('"version":1', '"version":9'))),
				trusting(),
				/^\.manifest is not what was signed/,
			],
			[
				new Map(files).set('rules/more.rego', Buffer.from('package toolgate.rules.more\n')),
				trusting(),
				/^rules\/more\.rego is in the bundle, but not in its signature/,
			],
			[new Map(files).set('x-signatures.json', Buffer.from('{}')), trusting(), /^x-signatures\.json is in the bundle, but not/],
			[new Map([...files].filter(([path]) => path !== 'data.json')), trusting(), /^data\.json is signed, but not in the bundle/],
			[files, trusting({ key: otherRsa.publicKey }), /the signature is not by the key prod/],
			[
				files,
				trusting({ key: curves.ES256.publicKey, algorithm: 'ES256' }),
				/signed with "RS256", but the key prod is configured for ES256/,
			],
			[files, trusting({ key: 'nonsense' }), /the configured key prod: expected a public key or certificate in PEM/],
			[files, trusting({}, { scope: 'write' }), /signed for the scope ""; expected "write"/],
			[files, trusting({}, { keyid: 'absent' }), /the key "absent", which is not configured/],
		];
		for (const [changed, verification, message] of cases)
			t.throws(() => open(changed, verification), { code: 'BUNDLE', message }, String(message));
	}
	const scoped = signed(unsigned, { scope: 'write' });
	t.throws(() => open(scoped, trusting()), { message: /signed for the scope "write"; expected ""/ });
	t.throws(() => open(scoped, trusting({ scope: 'read' })), { message: /expected "read"/ });
	t.match(
		open(scoped, trusting({ scope: 'read' }, { scope: 'write' })),
		{ signature: { scope: 'write' } },
		"the bundle's own setting wins over the key's",
	);
});

t.test('what opa sign has signed: stripped, altered, re-ordered, re-signed', async (t) => {
	for (const [algorithm, stranger] of [
		['RS256', otherRsa],
		['ES256', ecPair()],
	] as const) {
		const unsigned = filesWith({ data: { b: 1, a: 2 } });
		const files = await signedByOpa(t, unsigned, algorithm);
		const verification = trusting({ key: pairOf(algorithm).publicKey, algorithm });
		const reordered = open(new Map([...files].reverse()), verification);
		t.match(reordered, { signature: { keyid: 'prod', algorithm }, digest: open(files, verification).digest }, 'the order says nothing');
		const refused: [Files, RegExp][] = [
			[unsigned, /the bundle is not signed/],
			[new Map(files).set('data.json', Buffer.from('{"b": 1, "a": 3}')), /^data\.json is not what was signed/],
			[await signedByOpa(t, filesWith({ data: { b: 1, a: 3 } }), algorithm, undefined, stranger), /the signature is not by the key prod/],
		];
		for (const [changed, message] of refused)
			t.throws(() => open(changed, verification), { code: 'BUNDLE', message }, `${algorithm}: ${message}`);
	}
});

t.test('re-ordered archives and re-written JSON are the same bundle; a signature for other files is not', (t) => {
	const files = signed(filesWith({ data: { b: 1, a: 2 } }));
	t.ok(open(new Map([...files].reverse()), trusting()));
	t.ok(open(new Map(files).set('data.json', Buffer.from('{\n  "a" : 2,\n  "b" : 1\n}')), trusting()));
	t.throws(
		() => open(new Map(files).set('data.json', Buffer.from('{"b": 1.0, "a": 2}')), trusting()),
		{ message: /not what was signed/ },
		'another number text',
	);
	const resigned = signed(filesWith({ data: { b: 1, a: 3 } }), { key: otherRsa.privateKey });
	t.throws(() => open(resigned, trusting()), { message: /not by the key prod/ });
	t.throws(() => open(new Map(files).set('.signatures.json', signed(filesWith({ data: {} })).get('.signatures.json')!), trusting()), {
		message: /data\.json is not what was signed/,
	});
	const twice = writeTar([
		...readTar(writeTar([...files].map(([path, bytes]) => ({ path, bytes })))),
		{ path: 'data.json', bytes: Buffer.from('{}') },
	]);
	t.throws(() => openBundle(gzipSync(twice), trusting()), { message: /stands in the archive twice/ });
	t.end();
});

t.test('what a signature says of itself is not believed', (t) => {
	const files = filesWith();
	const [header, payload, signature] = tokenIn(signed(files)).split('.') as [string, string, string];
	const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
	const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
	const resigned = (changedHeader: object, changedPayload: unknown = decode(payload)) =>
		signJws({ kid: 'prod', ...changedHeader }, JSON.stringify(changedPayload), signingKey(rsa.privateKey, 'RS256'), 'RS256');
	const listed = decode(payload)['files'] as { name: string; hash: string; algorithm: string }[];
	const first = (change: object) => ({ files: [{ ...listed[0], ...change }, ...listed.slice(1)] });
	// The public key taken for a shared secret.
	const confused = `${encode({ alg: 'HS256', kid: 'prod' })}.${payload}`;
	const hmac = createHmac('sha256', rsa.publicKey).update(confused).digest('base64url');
	const cases: [unknown, RegExp, Verification?][] = [
		[`${encode({ alg: 'none', kid: 'prod' })}.${payload}.`, /not a JWS in compact form/],
		[`${encode({ alg: 'none', kid: 'prod' })}.${payload}.AA`, /signed with "none", but the key prod is configured for RS256/],
		[`${encode({ kid: 'prod' })}.${payload}.${signature}`, /signed with null, but/],
		[`${confused}.${hmac}`, /signed with "HS256", but/],
		[`${confused}.${hmac}`, /is a shared secret \(HS256\).*allow it with allow_hmac/, trusting({ algorithm: 'HS256' })],
		[`${confused}.${hmac}`, /a PEM key can not be the secret/, trusting({ algorithm: 'HS256', allowHmac: true })],
		[`${header}.${encode({ ...decode(payload), extra: 1 })}.${signature}`, /not by the key prod/],
		[`${header}.${payload}.${signature.slice(0, -8)}`, /not by the key prod/],
		[resigned({ crit: ['exp'], exp: 1 }), /demands extensions/],
		[resigned({ b64: false }), /demands extensions/],
		[resigned({ kid: 'unknown' }), /the key "unknown", which is not configured/],
		[resigned({ kid: '__proto__' }), /the key "__proto__", which is not configured/],
		[resigned({}, first({ algorithm: 'MD5' })), /is signed by a digest "MD5"/],
		[resigned({}, first({ algorithm: 'SHA-1' })), /is signed by a digest "SHA-1"/],
		[resigned({}, first({ algorithm: 'toString' })), /is signed by a digest "toString"/],
		[resigned({}, { files: [...listed, listed[0]] }), /lists a file twice/],
		[resigned({}, { files: listed.map(({ name }) => ({ name })) }), /without name, hash or algorithm/],
		[resigned({}, {}), /lists no files/],
		[resigned({}, []), /the signature is not a JSON object/],
		[7, /the signature is not a text/],
		['a.b', /not a JWS in compact form/],
		['bm8.bm8.bm8', /the signature is not JSON/],
	];
	for (const [token, message, verification = trusting()] of cases)
		t.throws(() => open(withToken(files, token), verification), { code: 'BUNDLE', message }, String(message));
	t.ok(open(withToken(files, resigned({}, first({ hash: listed[0]!.hash.toUpperCase() }))), trusting()));
	const sign = (text: string) => new Map(files).set('.signatures.json', Buffer.from(text));
	t.throws(() => open(sign('{"signatures": []}'), trusting()), { message: /expected exactly one signature/ });
	t.throws(() => open(sign('{"signatures": ["a", "b"]}'), trusting()), { message: /expected exactly one signature/ });
	t.throws(() => open(sign('nonsense'), trusting()), { message: /\.signatures\.json is not JSON/ });
	const anonymous = withToken(files, resigned({ kid: undefined }, { files: listed }));
	t.match(open(anonymous, trusting()), { signature: { keyid: 'prod' } }, 'the only key there is');
	t.throws(() => open(anonymous, { keys: { ...trusting().keys, other: { key: otherRsa.publicKey, algorithm: 'RS256' } } }), {
		message: /names no key, and several are configured/,
	});
	t.end();
});

t.test('a key has to fit its algorithm', (t) => {
	const cases: [string, SignatureAlgorithm, RegExp][] = [
		[curves.ES384.privateKey, 'ES256', /ES256 needs an EC key on prime256v1, this is ec secp384r1/],
		[rsa.privateKey, 'ES256', /ES256 needs an EC key on prime256v1, this is rsa/],
		[curves.ES256.privateKey, 'RS256', /RS256 needs an RSA key, this is ec/],
		[rsaPair(1024).privateKey, 'PS256', /an RSA key of 1024 bits; expected at least 2048/],
		[rsa.publicKey, 'RS256', /expected a private key without a passphrase in PEM/],
		['short', 'HS256', /a secret of 5 bytes; expected at least 32/],
	];
	for (const [key, algorithm, message] of cases)
		t.throws(() => signFiles(filesWith(), { key, algorithm }), { name: 'KeyProblem', message });
	t.end();
});

t.test('JSON is hashed in the very form that OPA hashes', async (t) => {
	const text = fc.string({
		unit: fc.oneof(
			fc.constantFrom('\u2028', '\u2029', '\u007f', '\b', '\f', '\0', '<', '"', '\\', '\ud83d\ude00', '\uffff', '\ue000', '\ufeff'),
			fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
		),
		maxLength: 8,
	});
	const { value } = fc.letrec<{ value: unknown }>((tie) => ({
		value: fc.oneof(
			{ maxDepth: 3 },
			text,
			fc.boolean(),
			fc.constant(null),
			fc.double({ noNaN: true, noDefaultInfinity: true }),
			fc.maxSafeInteger(),
			fc.array(tie('value'), { maxLength: 3 }),
			fc.dictionary(text, tie('value'), { maxKeys: 4 }),
		),
	}));
	const documents = fc.sample(fc.dictionary(text, value, { maxKeys: 8 }), 10).map((document) => JSON.stringify(document));
	documents.push(
		'{"b": 1.0, "a": 1e3, "c": -0, "d": 123456789012345678901234567890, "e": 1E-7, "f": 0.10}',
		'{"\\uD83D\\uDE00": 1, "\\uFFFF": 2, "\\uE000": 3, "z": 4, "": 5}',
		'{"a": 1, "a": {"b": 2}, "__proto__": {"c": 1.0}, "constructor": 2.0}',
		'{"half": "\\ud800", "pair": "\\ud83d\\ude00", "slash": "\\/", "escaped": "\\u0041\\u2028\\u001f"}',
		'{"a": [1, 2, [3.0, {}], []], "b": true, "c": null}',
	);
	for (const [index, data] of documents.entries()) {
		const files = filesWith({ data });
		const bundle = await signedByOpa(t, files, 'ES256');
		t.doesNotThrow(() => open(bundle, trusting({ key: curves.ES256.publicKey, algorithm: 'ES256' })), `document ${index}`);
	}
	t.equal(hashForm(' { "b" : [ 1.0 , "\\u0041" ] , "a" : null } '), '{"a":null,"b":[1.0,"A"]}');
});
