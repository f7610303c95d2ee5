import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { call, compareWithOpa, one } from '../../../test/compare-with-opa.ts';
import type { RegoValue } from '../rego-value.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const signers: Record<string, (data: Buffer) => Buffer> = {
	RS256: (data) => sign('sha256', data, rsa.privateKey),
	PS256: (data) => sign('sha256', data, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
	ES256: (data) => sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
	EdDSA: (data) => sign(null, data, ed.privateKey),
	HS256: (data) => createHmac('sha256', 'secret').update(data).digest(),
	none: () => Buffer.alloc(0),
};
const pem = ({ publicKey }: { publicKey: KeyObject }): string => publicKey.export({ type: 'spki', format: 'pem' }).toString();
const jwk = ({ publicKey }: { publicKey: KeyObject }, more: object): string =>
	JSON.stringify({ ...publicKey.export({ format: 'jwk' }), ...more });
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = fc
	.record({
		alg: one(...Object.keys(signers)),
		header: one<object>({}, { kid: 'k1' }, { kid: 'k2' }, { crit: ['x'], x: 1 }, { cty: 'text' }, { typ: 1 }),
		payload: one<object>({}, { iss: 'me', aud: ['a'] }, { exp: 100 }, { exp: 99 }, { nbf: 101 }, { exp: 'x' }, { aud: 'b' }),
		spoil: one('', '', '', 'A', '.x', '='),
	})
	.map(({ alg, header, payload, spoil }) => {
		const content = `${base64({ alg, ...header })}.${base64(payload)}`;
		return `${content}.${signers[alg]?.(Buffer.from(content)).toString('base64url')}${spoil}`;
	});
const keys = one(
	...[rsa, ec, ed].flatMap((pair) => [
		pem(pair),
		jwk(pair, {}),
		jwk(pair, { alg: 'RS256' }),
		jwk(pair, { alg: 'ES256' }),
		`{"keys":[${jwk(pair, { kid: 'k1' })}]}`,
	]),
	`{"keys":[${jwk(rsa, { kid: 'k1' })},${jwk(ec, { kid: 'k2', alg: 'dir' })},${jwk(ed, {})}]}`,
	JSON.stringify({ kty: 'oct', k: Buffer.from('secret').toString('base64url') }),
	'{"keys":[]}',
	'nonsense',
);

t.test('tokens are verified as by OPA', (t) =>
	compareWithOpa(
		t,
		fc.oneof(
			call('io.jwt.decode', token),
			...['rs256', 'ps256', 'es256', 'eddsa'].map((alg) => call(`io.jwt.verify_${alg}`, token, keys)),
			call('io.jwt.verify_hs256', token, one('secret', 'other')),
			call(
				'io.jwt.decode_verify',
				token,
				fc.record({ cert: keys, time: one(99_500_000_000) }).map((constraints): RegoValue => constraints),
			),
			call(
				'io.jwt.decode_verify',
				token,
				fc
					.record({ secret: one('secret', 'x'), time: one(99_500_000_000), aud: one('a', '') })
					.map((constraints): RegoValue => constraints),
			),
		),
		300,
	),
);
