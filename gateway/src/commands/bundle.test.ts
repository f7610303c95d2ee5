import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import { bundleWith, defaultBundle, ecPair, filesWith, rsaPair, unpackInto } from '../policy/bundle-fixture.ts';
import { readBundle } from '../policy/bundle.ts';
import { run as runCommand } from './command-fixture.ts';

/** A failure is its one line. */
async function run(...args: string[]): Promise<{ code: number; text: string }> {
	const { code, stdout, stderr } = await runCommand(...args);
	return { code, text: [stdout, stderr.replace(/^toolgate: /m, '')].filter((text) => text !== '').join('\n') };
}

t.test('bundle inspect tells what is in a bundle', async (t) => {
	const seen = await run('bundle', 'inspect', defaultBundle);
	t.equal(seen.code, 0);
	for (const line of [
		/^revision +sha256:[0-9a-f]{64}$/m,
		/^version +1$/m,
		/^entrypoint +toolgate\/decision\/call$/m,
		/^package +toolgate\.rules\.payments {2}Payments$/m,
		/^ {2}rule +payments\.refund$/m,
		/^builtins +none$/m,
		/^signature +none$/m,
	]) {
		t.match(seen.text, line);
	}
	const folder = t.testdir();
	unpackInto(
		folder,
		filesWith({
			files: {
				'rules/x/x.rego':
					'package toolgate.rules.x\n\n# METADATA\n# title: Evil \u202e title\nfinding contains {"rule": "x.y"} if true\n\n# METADATA\n# nonsense: [\nother := 1\n',
			},
		}),
	);
	t.match(
		(await run('bundle', 'inspect', folder)).text,
		/^package +toolgate\.rules\.x\n {2}rule +x\.y\n {2}rule +finding {2}Evil \\u202e title$/m,
	);
	const json = JSON.parse((await run('bundle', 'inspect', defaultBundle, '--json')).text) as {
		packages: { package: string; rules: string[] }[];
		missingBuiltins: string[];
	};
	t.strictSame(json.packages.find(({ package: name }) => name === 'toolgate.rules.payments')?.rules, [
		'payments.refund',
		'payments.delete',
	]);
	t.strictSame(json.missingBuiltins, []);
	t.match(await run('bundle', 'inspect', join(folder, 'absent')), { code: 2, text: /no such file/ });
});

t.test('what is signed here is verified here and by OPA, and nothing else is', async (t) => {
	const ec = ecPair('P-384');
	const rsa = rsaPair();
	const dir = t.testdir({
		'ec.pem': ec.privateKey,
		'ec.pub': ec.publicKey,
		'rsa.pem': rsa.privateKey,
		'rsa.pub': rsa.publicKey,
		secret: 'a secret of more than thirty-two bytes\n',
		'toolgate.yaml': 'opa: { keys: { prod: { key: rsa.pub } } }',
	});
	const [bundle, signed] = [join(dir, 'bundle.tar.gz'), join(dir, 'signed.tar.gz')];
	writeFileSync(bundle, bundleWith());

	t.match(await run('bundle', 'sign', bundle, '--key', join(dir, 'ec.pem'), '--key-id', 'prod', '--scope', 'write', '--out', signed), {
		code: 0,
		text: /signed.*signed\.tar\.gz, ES384, revision sha256:/,
	});
	const verify = ['bundle', 'verify', signed, '--key', join(dir, 'ec.pub'), '--algorithm', 'ES384'];
	t.match(await run(...verify, '--scope', 'write'), { code: 0, text: /good.*version 1, signed by key \(ES384\)/ });
	t.match(await run(...verify), { code: 1, text: /signed\.tar\.gz: signed for the scope "write"; expected ""/ });
	t.match(await run('bundle', 'verify', bundle, '--key', join(dir, 'ec.pub')), { code: 1, text: /the bundle is not signed/ });
	t.match(JSON.parse((await run(...verify, '--json')).text.split('\n/')[0]!), { isGood: false, why: /scope/ });
	t.match((await run('bundle', 'inspect', signed)).text, /^signature +algorithm ES384, keyid prod, scope write \(not verified\)$/m);

	t.match(await run('bundle', 'sign', bundle, '--key', join(dir, 'rsa.pem'), '--key-id', 'prod'), { code: 0, text: /RS256/ });
	t.match(await run('bundle', 'verify', bundle, '--config', join(dir, 'toolgate.yaml')), { code: 0, text: /signed by prod \(RS256\)/ });
	const { code, stderr } = await runOpa([
		'build',
		'-b',
		bundle,
		'--verification-key',
		join(dir, 'rsa.pub'),
		'--verification-key-id',
		'prod',
		'-o',
		join(dir, 'out.tar.gz'),
	]);
	t.equal(code, 0, stderr);
	t.match(await run('bundle', 'sign', bundle, '--key', join(dir, 'secret'), '--algorithm', 'HS256', '--json'), {
		code: 0,
		text: /"algorithm": "HS256"/,
	});
	t.match(await run('bundle', 'verify', bundle, '--key', join(dir, 'secret'), '--algorithm', 'HS256'), { code: 0 });

	const folder = join(dir, 'unpacked');
	unpackInto(folder, filesWith());
	t.match(await run('bundle', 'sign', folder, '--key', join(dir, 'rsa.pem')), { code: 0, text: /unpacked\/\.signatures\.json/ });
	t.match(await readBundle(folder, { keys: { any: { key: rsa.publicKey, algorithm: 'RS256' } } }), { signature: { keyid: 'any' } });

	const before = readFileSync(bundle);
	for (const [args, message] of [
		[['--key', join(dir, 'rsa.pub')], /rsa\.pub: expected a private key/],
		[['--key', join(dir, 'absent')], /absent: can't be read \(ENOENT\)/],
		[['--key', join(dir, 'ec.pem'), '--algorithm', 'ES256'], /ES256 needs an EC key on prime256v1/],
		[['--key', join(dir, 'rsa.pem'), '--algorithm', 'none'], /Allowed choices are RS256/],
	] as const) {
		const end = await run('bundle', 'sign', bundle, ...args);
		t.match(end.text, message);
		t.not(end.code, 0);
	}
	t.ok(readFileSync(bundle).equals(before), 'nothing is written when signing fails');
	writeFileSync(join(dir, 'plain.yaml'), '');
	t.match(await run('bundle', 'verify', bundle, '--config', join(dir, 'plain.yaml')), {
		code: 2,
		text: /no key: name one with --key, or configure opa\.keys/,
	});
});

const call = (tool: string, change: object = {}) =>
	JSON.stringify({
		principal: { id: 'alice', groups: ['support'] },
		server: { name: 'stripe' },
		tool: { name: tool },
		arguments: { charge: 'ch_1', amount: 5 },
		...change,
	});

t.test('one decision at the desk: the verdict, why, and what would release it', async (t) => {
	const dir = t.testdir({ 'toolgate.yaml': `policy: { bundle: ${JSON.stringify(defaultBundle)} }` });
	const config = ['--config', join(dir, 'toolgate.yaml')];
	const ask = (command: string, input: string, ...args: string[]) => {
		const file = join(dir, 'input.json');
		writeFileSync(file, input);
		return run('policy', command, file, ...config, ...args);
	};
	t.strictSame(await ask('eval', call('get_charge')), { code: 0, text: 'budget' });
	t.strictSame(await ask('eval', call('delete_customer')), { code: 1, text: 'deny' });
	t.strictSame(await ask('eval', call('list_payouts')), { code: 1, text: 'unknown_tool' });
	t.strictSame((await ask('explain', call('create_refund'))).text.split('\n'), [
		'approvalRequired',
		'  payments.refund: a refund moves money: a person must agree',
		'  payments.refund is released by 1 of group:finance, within 900 s',
		'  then: budget (limits.hour, limits.turn)',
		'  limits.turn takes 1 of 5 calls per turn, by agent and principal and session',
		'  limits.hour takes 1 of 1000 calls per hour, by principal',
	]);
	t.match(await ask('explain', call('delete_customer')), { code: 1, text: /nothing releases a deny/ });
	t.match(await ask('explain', call('list_payouts')), { code: 1, text: /no rule grants access/ });
	t.match((await ask('explain', call('send_lark_message'))).text, /mask us-ssn in request\/\*\*/);
	const approval = {
		rule: 'payments.refund',
		requirement: { approvers: ['group:finance'], quorum: 1 },
		argumentsDigest: 'd',
		approvers: ['bob'],
		expiresAtMs: 9e15,
	};
	t.strictSame(await ask('eval', call('create_refund', { argumentsDigest: 'd', approvals: [approval] })), { code: 0, text: 'budget' });
	t.match(JSON.parse((await ask('explain', call('create_refund'), '--json')).text), {
		revision: /^sha256:/,
		hasAccess: true,
		rules: ['limits.hour', 'limits.turn', 'payments.refund'],
		released: { verdict: 'budget' },
	});
	t.match(JSON.parse((await ask('eval', call('get_charge', { result: { content: [] } }), '--json')).text), {
		result: { verdict: 'allow' },
	});

	for (const [input, message] of [
		['{', /input\.json: not JSON/],
		['[]', /input\.json: expected a JSON object/],
		[call('x', { server: { nmae: 'x' } }), /input\.json: \/server must have required property 'name'/],
		[call('x', { tool: { name: 'x', nmae: 'y' } }), /input\.json: \/tool must NOT have additional properties: nmae/],
		[call('x', { principal: 'alice' }), /\/principal must be object/],
	] as const) {
		t.match(await ask('eval', input), { code: 2, text: message });
	}
	t.match(await run('policy', 'eval', join(dir, 'absent.json'), ...config), { code: 2, text: /absent\.json: can't be read \(ENOENT\)/ });
	t.match(await ask('eval', call('x'), '--bundle', join(dir, 'toolgate.yaml')), { code: 2, text: /truncated/ });
});

t.test('the commands are reached from the command line, and fail in one line', async (t) => {
	const cli = join(import.meta.dirname, '../cli.ts');
	const end = await promisify(execFile)(process.execPath, [cli, 'bundle', 'inspect', '/nowhere']).catch(
		(error: { code: number; stderr: string }) => error,
	);
	t.match(end, { code: 2, stderr: 'toolgate: /nowhere: no such file; build it with npm run policy:build\n' });
	const help = await promisify(execFile)(process.execPath, [cli, 'policy', '--help']);
	for (const name of ['eval', 'explain', 'rollback', 'status', 'reload']) t.match(help.stdout, new RegExp(`^  ${name} `, 'm'));
});
