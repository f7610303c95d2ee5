import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from './config.ts';
import { ecPair } from './policy/bundle-fixture.ts';
import { policySourceOf } from './policy/sources/policy-source.ts';

const { publicKey } = ecPair();
const indented = (text: string, by: number): string => text.trim().replaceAll('\n', `\n${' '.repeat(by)}`);

function load(t: Test, yaml: string) {
	const file = join(t.testdir({ 'key.pem': publicKey }), 'toolgate.yaml');
	writeFileSync(file, yaml);
	return { file, config: () => loadConfig(file, {}).config };
}

t.test("a control plane's configuration is read under OPA's names", async (t) => {
	const { config } = load(
		t,
		`opa:
  labels: { region: eu }
  services:
    plane:
      url: https://plane.example/v1/
      credentials: { bearer: { token: abc } }
  bundles:
    authz:
      service: plane
      resource: /tenants/a/bundle.tar.gz
      persist: true
      signing: { keyid: prod, scope: write }
      polling: { min_delay_seconds: 10, max_delay_seconds: 20, long_polling_timeout_seconds: 30 }
  keys:
    prod:
      algorithm: ES256
      key: |
        ${indented(publicKey, 8)}
`,
	);
	const { source, verification, labels } = policySourceOf(config());
	t.match(source, { says: 'https://plane.example/v1/tenants/a/bundle.tar.gz', isPersisted: true });
	t.match(verification, { keyid: 'prod', scope: 'write', keys: { prod: { algorithm: 'ES256', key: publicKey, allowHmac: false } } });
	t.strictSame(labels, { region: 'eu' });
	await source.close();
});

t.test('names and keys have defaults; a key may be a file', async (t) => {
	const service = policySourceOf(load(t, 'opa: { services: { a: { url: http://127.0.0.1:1 } }, bundles: { main: {} } }').config());
	t.match(service, { source: { says: 'http://127.0.0.1:1/bundles/main', isPersisted: false }, verification: undefined });
	await service.source.close();
	const { file, config } = load(
		t,
		'policy: { bundle: here.tar.gz, signing: { keyid: k } }\nopa: { keys: { k: { key: key.pem, algorithm: ES256 } } }',
	);
	t.match(policySourceOf(config()), {
		source: { says: join(file, '../here.tar.gz') },
		verification: { keyid: 'k', keys: { k: { key: publicKey } } },
	});
});

t.test('what can not work is refused with its line, or its key', (t) => {
	const cases: [string, RegExp][] = [
		['opa:\n  decision_logs: { console: true }', /:2: opa\.decision_logs: expected nothing here, it is not yet supported/],
		['opa:\n  status: { service: a }', /:2: opa\.status: expected nothing here/],
		['opa:\n  discovery: {}', /:2: opa\.discovery: unknown key/],
		['opa: { bundles: { a: {} } }', /opa: bundles\.a\.service: expected one of opa\.services, which is empty/],
		['opa: { services: { x: { url: http://h }, y: { url: http://h } }, bundles: { a: {} } }', /expected one of x, y/],
		['opa: { services: { x: { url: http://h } }, bundles: { a: { service: z } } }', /there is no service z/],
		['opa: { services: { x: { url: http://h } }, bundles: { a: {}, b: {} } }', /bundles: expected one/],
		['opa: { services: { x: { url: http://h } }, bundles: { a: { resource: "file:///x" } } }', /a file is named by policy\.bundle/],
		['opa: { services: { x: { url: ftp://h } } }', /opa\.services\.x\.url: expected an http/],
		['opa: { services: { x: {} } }', /url is missing/],
		['opa: { services: { x: { url: http://h, credentials: { bearer: { token: a, token_path: b } } } } }', /exclude each other/],
		[
			'opa: { services: { x: { url: http://h, credentials: { bearer: { token: a }, client_tls: { cert: a, private_key: b } } } } }',
			/expected one method/,
		],
		['opa: { services: { x: { url: http://h, credentials: { client_tls: { cert: a } } } } }', /cert and private_key belong together/],
		['opa: { services: { x: { url: http://h, allow_insecure_tls: true } } }', /unknown key/],
		[
			'opa: { services: { x: { url: http://h } }, bundles: { a: { polling: { min_delay_seconds: 9, max_delay_seconds: 3 } } } }',
			/max_delay_seconds is less/,
		],
		['opa: { keys: { k: { algorithm: none, key: x } } }', /opa\.keys\.k\.algorithm: expected one of RS256/],
		['opa: { keys: { k: {} } }', /key is missing/],
		[
			'opa: { keys: { k: { algorithm: HS256, key: a-secret-of-more-than-thirty-two-bytes } } }',
			/whoever verifies with it can sign with it; say allow_hmac: true/,
		],
		['opa: { keys: { k: { key: absent.pem } } }', /^opa\.keys\.k\.key: .*absent\.pem can't be read \(ENOENT\)$/],
		['opa: { keys: { k: { key: key.pem } } }', /^opa\.keys\.k: RS256 needs an RSA key, this is ec$/],
		[
			'opa: { keys: { k: { key: key.pem, algorithm: ES256 } } }\npolicy: { signing: { keyid: other } }',
			/^policy\.signing\.keyid: there is no key other/,
		],
		['policy: { signing: { scope: write } }', /^policy\.signing\.scope: nothing is verified without a key/],
		[
			'policy: { bundle: x }\nopa: { services: { x: { url: http://h } }, bundles: { a: {} } }',
			/^policy\.bundle \(.*:1\) and opa\.bundles exclude each other/,
		],
		[
			'opa: { services: { x: { url: http://h, tls: { ca_cert: absent.pem } } }, bundles: { a: {} } }',
			/^opa\.services\.x\.tls\.ca_cert: .*absent\.pem can't be read/,
		],
	];
	for (const [yaml, message] of cases) {
		t.throws(() => policySourceOf(load(t, yaml).config()), { code: 'CONFIG', message }, String(message));
	}
	t.end();
});
