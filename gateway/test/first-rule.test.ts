import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { PATIENTLY, runOpa } from '../../tools/opa/index.ts';
import { openAgent } from './agent.ts';
import { root } from './build.ts';
import { cli, startCli } from './cli.ts';
import { payments } from './payments.ts';
import { freePort } from './served.ts';
import { embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

/** What docs/policy.md tells people to do, done as it says: from an empty folder to a call that is denied by their own rule. */
t.test('a rule written from the docs alone is tested, built, swapped into a running gateway, and denies', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-first-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const demo = join(folder, 'demo');
	t.match(await cli(t, ['init', 'demo'], { cwd: folder }), { code: 0, stdout: /^made .*demo\nnext: cd demo; toolgate policy check; / });
	const policy = async (step: string) => {
		const end = await cli(t, ['policy', step], { cwd: demo });
		t.equal(end.code, 0, `policy ${step}: ${end.stderr}`);
		return end.stdout;
	};
	await policy('build');

	const dataDir = await embeddedDataDir(t);
	const [upstream, agents, people] = [await payments(t), await freePort(), await freePort()];
	const gateway = startCli(t, ['serve'], {
		cwd: demo,
		env: {
			MCP_URL: upstream.url,
			TOOLGATE_LISTEN_AGENTS: `127.0.0.1:${agents}`,
			TOOLGATE_LISTEN_PEOPLE: `127.0.0.1:${people}`,
			TOOLGATE_DATA_DIR: dataDir,
		},
	});
	const isReady = () =>
		fetch(`http://127.0.0.1:${people}/readyz`).then(
			({ ok }) => ok,
			() => false,
		);
	await until('the gateway', isReady, 60_000).catch((cause) => Promise.reject(new Error(gateway.said(), { cause })));
	const agent = await openAgent(`http://127.0.0.1:${agents}/mcp`);
	t.strictSame([...(await agent.list())].sort(), ['delete_customer', 'get_charge'], 'what the example grants');
	t.match(await agent.call('create_refund', { charge: 'ch_alice_1', amount: 6000 }), { word: 'error -32602' }, 'the rest is not there');

	const docs = readFileSync(join(root, 'docs/policy.md'), 'utf8');
	const blocks = [...docs.matchAll(/`(policy\/rules\/[\w/]+\.rego)`:\n\n```rego\n([^]*?)```/g)];
	t.strictSame(
		blocks.map(([, file]) => file),
		['policy/rules/refunds/refunds.rego', 'policy/rules/refunds/refunds_test.rego'],
	);
	mkdirSync(join(demo, 'policy/rules/refunds'));
	for (const [, file, text] of blocks) writeFileSync(join(demo, file!), text!);
	const opa = await runOpa(['test', ...PATIENTLY, '--bundle', 'policy'], { cwd: demo });
	t.match(opa, { code: 0, stdout: /^PASS: 5\/5/ }, opa.stderr);
	t.match(await policy('check'), /^good {2}policy\n$/);
	t.match(await policy('test'), /^5 of 5 tests pass, \d+ % of the lines covered; the compiled module agrees on 5 of 5\n$/);
	t.match(await policy('build'), /^built {2}bundles\/toolgate\.tar\.gz {2}version 1 /);

	const builtAt = performance.now();
	// A second is the promise where the machine has nothing else to do.
	await until('the rule', async () => (await agent.list()).includes('create_refund'));
	t.comment(`decides after ${Math.round(performance.now() - builtAt)} ms`);
	t.match(await agent.call('create_refund', { charge: 'ch_alice_1', amount: 6000 }), {
		word: 'deny',
		text: /refunds over 50\.00 are made by finance, in the dashboard/,
	});
	t.match(await agent.call('create_refund', { charge: 'ch_alice_1', amount: 100 }), { word: 'ok' });
	t.strictSame(
		upstream.received('create_refund').map(({ amount }) => amount),
		[100],
		'what was denied never arrived',
	);
	t.match(await cli(t, ['policy', 'status', '--url', `http://127.0.0.1:${people}`], { cwd: demo, env: { TOOLGATE_DATA_DIR: dataDir } }), {
		code: 0,
		stdout: /^active {2}revision sha256:[0-9a-f]{64}, version 1, taken over .*, from .*\/demo\/bundles\/toolgate\.tar\.gz/,
	});
});
