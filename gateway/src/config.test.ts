import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { describeConfig, loadConfig } from './config.ts';
import { ToolGateError } from './errors.ts';

function load(yaml: string, environment: Record<string, string> = {}) {
	const file = join(mkdtempSync(join(tmpdir(), 'toolgate-config-')), 'toolgate.yaml');
	writeFileSync(file, yaml);
	return { file, load: () => loadConfig(file, environment) };
}

t.test('every key is optional', async (t) => {
	const { config } = load('').load();
	t.same(config.listen.agents, { host: '127.0.0.1', port: 18080 });
	t.equal(config.store.dsn, '');
	t.ok(Object.isFrozen(config.listen.agents));
});

t.test('a wrong configuration is one line with file, line, key and what was expected', async (t) => {
	const cases: [yaml: string, line: number, text: string][] = [
		['listen:\n  agent: 127.0.0.1:1', 2, 'listen.agent: unknown key, did you mean agents?'],
		['colour: blue', 1, 'colour: unknown key; expected one of upstreams,'],
		['limits:\n  bodyBytes: many', 2, 'limits.bodyBytes: expected a whole number from 1024 to'],
		['auth:\n  mode: jwks', 2, 'auth.mode: expected one of none, token, found "jwks"'],
		['upstreams:\n  a:\n    url: ftp://x', 3, 'upstreams.a.url: expected an http:// or https:// URL'],
		['upstreams:\n  a: {}', 2, 'upstreams.a: neither url nor command is set'],
		['upstreams:\n  a: { url: http://x/mcp, command: x }', 2, 'upstreams.a: url and command are both set; expected one of them'],
		['upstreams:\n  a: { url: http://x/mcp, args: [x] }', 2, 'upstreams.a: args goes with command, which is not set'],
		['upstreams:\n  a: { command: x, era: modern }', 2, 'upstreams.a: era goes with url, which is not set'],
		[
			'upstreams:\n  a: { url: http://x/mcp, serverRequests: [ping] }',
			2,
			'upstreams.a.serverRequests: expected a list of elicitation, sampling, roots, found ["ping"]',
		],
		['upstreams:\n  Stripe: { url: http://127.0.0.1:1/mcp }', 2, 'upstreams.Stripe: expected a name of lower-case'],
		[
			'upstreams:\n  a: { url: "http://x/mcp", headers: { Authorization: "Bearer ${NOT_SET}" } }',
			2,
			'environment variable NOT_SET is not set',
		],
		['store: { dsn: "mysql://u:secret@db/x" }', 1, 'store.dsn: expected postgres://user:password@host:port/database'],
		['lark: { appId: cli_1 }', 1, 'lark: appId is set, so appSecret has to be set too'],
		['lark: { appId: cli_1, appSecret: demo-secret, chatId: oc_1 }', 1, 'lark: the secrets of the demo are public'],
		[
			'lark: { appId: cli_1, appSecret: own, chatId: oc_1, verificationToken: demo-verification-token, apiBaseUrl: "https://open.larksuite.com" }',
			1,
			'lark: the secrets of the demo are public',
		],
		['operator: { token: changeme }', 1, 'operator: token has 8 characters and could be guessed; it needs at least 16'],
		['signIn: { oidc: { issuer: "https://idp.example" } }', 1, 'signIn.oidc: issuer is set, so clientId has to be set too'],
		['signIn: { oidc: { issuer: "http://idp.example", clientId: x } }', 1, 'signIn.oidc: issuer: plain HTTP is for loopback only'],
		['listen: 4', 1, 'listen: expected keys and values'],
		['a: [', 1, ''],
		['dataDir: a\ndataDir: b', 2, 'keys must be unique'],
	];
	for (const [yaml, line, text] of cases) {
		const { file, load: run } = load(yaml);
		try {
			run();
			t.fail(`accepted: ${yaml}`);
		} catch (error) {
			t.ok(error instanceof ToolGateError, yaml);
			const { message } = error as Error;
			t.ok(message.startsWith(`${file}:${line}: `), message);
			t.ok(message.toLowerCase().includes(text.toLowerCase()), message);
			t.notOk(message.includes('\n'), 'one line');
		}
	}
	t.throws(() => loadConfig('/nowhere/toolgate.yaml', {}), { message: /no such file/ });
});

t.test('the environment wins over the file, and says where a value came from', async (t) => {
	const { load: run, file } = load('store: { dsn: postgres://u:p@h/d }\nauth: { mode: token }', {
		TOOLGATE_AUTH_MODE: 'none',
		LARK_APP_SECRET: 's3cret',
	});
	const loaded = run();
	t.equal(loaded.config.auth.mode, 'none');
	const lines = new Map(describeConfig(loaded).map((line) => [line.path, line]));
	t.same(lines.get('auth.mode'), { path: 'auth.mode', value: '"none"', origin: 'env TOOLGATE_AUTH_MODE' });
	t.same(lines.get('store.dsn'), { path: 'store.dsn', value: '••••', origin: `${file}:1` });
	t.equal(lines.get('lark.appSecret')?.value, '••••');
	t.equal(lines.get('dataDir')?.origin, 'default');
	t.throws(load('', { TOOLGATE_AUTH_MODE: 'open' }).load, { message: /environment variable TOOLGATE_AUTH_MODE: expected one of/ });
});

t.test('a command gets its own environment and what programs need, not the secrets of the gateway', async (t) => {
	const { load: run, file } = load(
		'upstreams:\n  a: { command: run-me, cwd: sub, env: { KEY: "${SECRET}" } }\n  b: { url: http://x/mcp }',
		{ PATH: '/bin', SECRET: 's', POSTGRES_DSN: 'postgres://secret@db/x' },
	);
	const { a, b } = run().config.upstreams;
	t.match(a, { command: 'run-me', args: [], cwd: join(file, '..', 'sub'), serverRequests: ['elicitation'] });
	t.strictSame(a?.env, { PATH: '/bin', KEY: 's' });
	t.strictSame(b?.env, {});
	t.notMatch(JSON.stringify(describeConfig(run())), /"s"/);
});

t.test('binding agents wider than loopback needs authentication', async (t) => {
	const wide = 'listen: { agents: 0.0.0.0:18080 }\n';
	t.throws(load(wide).load, { code: 'UNSAFE_BIND', message: /listen.agents binds 0.0.0.0/ });
	t.equal(load(`${wide}auth: { mode: token }`).load().config.auth.mode, 'token');
	t.ok(load(`${wide}auth: { allowUnauthenticated: true }`).load());
	t.ok(load('listen: { people: 0.0.0.0:18081 }').load(), 'people always need the operator token');
});

t.test('attack 27: the secrets of the demo serve the demo, on loopback or where it was said that nobody is authenticated', async (t) => {
	const demo = 'lark: { appId: cli_demo, appSecret: demo-secret, chatId: oc_demo, apiBaseUrl: "http://mock-lark:18090" }\n';
	const wide = 'listen: { agents: 0.0.0.0:18080 }\n';
	t.ok(load(demo).load());
	t.ok(load(`${demo}${wide}auth: { allowUnauthenticated: true }`).load());
	t.throws(load(`${demo}${wide}auth: { mode: token }`).load, {
		code: 'UNSAFE_BIND',
		message: /public secrets of the demo in lark: set appSecret and verificationToken of your own/,
	});
	t.ok(load(`${demo.replace('demo-secret', 'own')}${wide}auth: { mode: token }`).load());
	t.throws(load('people: { a@x.org: { larkOpenId: ou_1 }, b@x.org: { larkOpenId: ou_1 } }').load, {
		code: 'CONFIG',
		message: 'people.b@x.org: a@x.org has the larkOpenId ou_1 already',
	});
	t.throws(load('people: { "*@x.org": { larkOpenId: ou_1 } }').load, { code: 'CONFIG', message: /larkOpenId is for one person/ });
	t.throws(load('', { TOOLGATE_OPERATOR_TOKEN: 'secret' }).load, { code: 'CONFIG', message: /operator.*6 characters/ });
	t.throws(load('', { TOOLGATE_KEY: 'secret' }).load, { code: 'CONFIG', message: /TOOLGATE_KEY: expected 64 hex digits/ });
});
