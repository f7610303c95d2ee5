import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { opaPath } from '../../tools/opa/index.ts';
import { openAgent } from './agent.ts';
import { build, type Built, root } from './build.ts';
import { policyVariant } from './policy-variant.ts';
import { until } from './until.ts';

/** Policy that changes under a gateway at work. */

const CHARGE = { charge: 'ch_alice_1' };
const DEFAULT_BUNDLE = join(root, 'bundles/toolgate.tar.gz');

const readyz = async ({ peopleUrl }: Built) => {
	const response = await fetch(`${peopleUrl}/readyz`);
	const { parts } = (await response.json()) as { parts: { part: string; says: string }[] };
	return { status: response.status, policy: parts.find(({ part }) => part === 'policy')!.says };
};

const folder = (t: Test): string => {
	const made = mkdtempSync(join(tmpdir(), 'toolgate-bundle-'));
	t.teardown(() => rmSync(made, { recursive: true, force: true }));
	return made;
};

/** One call after the other until it is stopped; the words they ended with. */
async function traffic(t: Test, gateway: Built): Promise<() => Promise<string[]>> {
	const agent = await openAgent(gateway.mcpUrl);
	const words: string[] = [];
	let isOver = false;
	const flowing = (async () => {
		while (!isOver) {
			words.push((await agent.call('get_charge', CHARGE, { 'x-mcp-turn-id': crypto.randomUUID() })).word);
			await new Promise((resolve) => setTimeout(resolve, 5));
		}
	})();
	const stop = async () => {
		isOver = true;
		await flowing;
		return words;
	};
	t.teardown(stop);
	return stop;
}

t.test('[policy.reload] an edited rule decides within a second of its build, while calls flow and none fails', async (t) => {
	const policy = await policyVariant(t);
	const gateway = await build(t, { config: { policy: { bundle: policy.bundle } } });
	const stop = await traffic(t, gateway);
	const agent = await openAgent(gateway.mcpUrl);
	t.notOk((await agent.list()).includes('list_payouts'));
	t.equal((await agent.call('list_payouts')).word, 'error -32602');

	await policy.change('rules/payments/payments.rego', '"get_charge", "create_refund"}', '"get_charge", "create_refund", "list_payouts"}');
	const builtAt = performance.now();
	// A second is the promise where the machine has nothing else to do; tests share theirs.
	await until('the new rule', async () => (await agent.list()).includes('list_payouts'));
	t.comment(`decides after ${Math.round(performance.now() - builtAt)} ms`);
	t.equal((await agent.call('list_payouts', {}, { 'x-mcp-turn-id': 'after' })).word, 'ok');

	const words = await stop();
	t.ok(words.length > 10, `${words.length} calls`);
	t.same(
		words.filter((word) => word !== 'ok'),
		[],
		'no call failed',
	);
	const revisions = new Set((await gateway.events('&kind=intent')).map(({ revision }) => revision));
	t.equal(revisions.size, 2, 'each call under one revision or the other');
	await until('both activations in the trail', async () => (await gateway.events('&kind=activation&text=bundle%20activated')).length === 2);
});

t.test('[policy.broken] a bundle that is broken changes nothing and says why, until it is mended', async (t) => {
	const bundle = join(folder(t), 'bundle.tar.gz');
	copyFileSync(DEFAULT_BUNDLE, bundle);
	const gateway = await build(t, { config: { policy: { bundle } } });
	const stop = await traffic(t, gateway);
	const { revision } = (await gateway.api<{ active: { revision: string } }>('GET', '/api/policy')).json.active;
	const good = readFileSync(DEFAULT_BUNDLE);
	const replace = (bytes: Uint8Array) => {
		writeFileSync(`${bundle}.new`, bytes);
		renameSync(`${bundle}.new`, bundle);
	};
	for (const [what, bytes, why] of [
		['cut off', good.subarray(0, good.length / 2), /not a complete gzip file/],
		['no bundle at all', Buffer.from('hello'), /the archive has no end/],
		['without the entrypoints', await foreignBundle(t), /toolgate\/decision/],
	] as const) {
		replace(bytes);
		const { status, policy } = await until(what, async () => {
			const now = await readyz(gateway);
			return why.test(now.policy) && now;
		});
		t.equal(status, 200, `${what}: the last good one serves`);
		t.match(policy, revision);
		t.match(gateway.news.at(-1), /policy bundle refused, the last good one stays/, what);
		// The next wrong one must be news.
		replace(good);
		await until('the good one again', async () => !/refused/.test((await readyz(gateway)).policy));
	}
	rmSync(bundle);
	await until('the loss', async () => /no such file/.test((await readyz(gateway)).policy));
	replace(good);
	await until('the good one again', async () => !/refused/.test((await readyz(gateway)).policy));
	t.same(
		(await stop()).filter((word) => word !== 'ok'),
		[],
		'no call failed',
	);
	await until('each refusal in the trail', async () => (await gateway.events('&kind=activation&text=refused')).length === 4);
});

t.test(
	'[policy.missing] without a bundle at the start every call is refused as policy_error and /readyz is 503; one that appears is taken',
	async (t) => {
		const bundle = join(folder(t), 'bundle.tar.gz');
		const gateway = await build(t, { config: { policy: { bundle } } });
		t.match(await readyz(gateway), {
			status: 503,
			policy: /no valid bundle, every call is denied; refused: .*bundle\.tar\.gz: no such file; build it with npm run policy:build/,
		});
		const agent = await openAgent(gateway.mcpUrl);
		const refused = await agent.call('get_charge', CHARGE);
		t.match(refused, { word: 'policy_error', text: /no valid policy bundle.*Nothing was run/ });
		t.match(await agent.request('tools/list'), { error: { code: -32603, message: /policy/ } });
		t.same(gateway.payments.received('get_charge'), []);
		t.match(await gateway.traces(), ['get_charge → policy_error']);

		copyFileSync(DEFAULT_BUNDLE, bundle);
		await until('the bundle', async () => (await readyz(gateway)).status === 200);
		t.equal((await agent.call('get_charge', CHARGE)).word, 'ok');
	},
);

async function foreignBundle(t: Test): Promise<Buffer> {
	const cwd = folder(t);
	writeFileSync(join(cwd, 'other.rego'), 'package other\n\nallow := true\n');
	await promisify(execFile)(await opaPath(), ['build', '-t', 'wasm', '-e', 'other/allow', '-o', 'bundle.tar.gz', 'other.rego'], { cwd });
	return readFileSync(join(cwd, 'bundle.tar.gz'));
}
