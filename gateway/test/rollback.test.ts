import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { PolicyStatus } from '../src/policy/activation.ts';
import { versioned } from '../src/policy/bundle-fixture.ts';
import { openAgent } from './agent.ts';
import { build, OPERATOR_TOKEN } from './build.ts';
import { cli } from './cli.ts';
import { until } from './until.ts';

t.test('an operator goes one policy back, by command; the trail says who, and the next calls are decided by it', async (t) => {
	const bundle = join(t.testdir(), 'bundle.tar.gz');
	const ship = (packed: Buffer) => {
		writeFileSync(`${bundle}.new`, packed);
		renameSync(`${bundle}.new`, bundle);
	};
	ship(versioned(1));
	const gateway = await build(t, { config: { policy: { bundle } } });
	const policy = (...args: string[]) => cli(t, ['policy', ...args, '--config', gateway.configFile, '--url', gateway.peopleUrl], { env: { TOOLGATE_OPERATOR_TOKEN: OPERATOR_TOKEN } });
	const active = (revision: string) => until(revision, async () => (await gateway.api<PolicyStatus>('GET', '/api/policy')).json.active?.revision === revision);

	t.match(await policy('rollback'), { code: 1, stderr: 'toolgate: there is no earlier bundle to go back to\n' });
	ship(versioned(2));
	await active('r2');
	t.match(await policy('status'), { code: 0, stdout: /active.*revision r2, version 2.*\nbefore {2}revision r1, version 1: toolgate policy rollback goes back to it/s });
	t.match(await policy('rollback'), { code: 0, stdout: /active.*revision r1, version 1.*\nrolled back {2}from revision r2, version 2, until a newer version comes/s });

	const agent = await openAgent(gateway.mcpUrl);
	t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok');
	t.equal((await gateway.events()).findLast(({ tool }) => tool === 'get_charge')?.revision, 'r1');
	t.match(await policy('reload'), { code: 1, stdout: /refused.*version 2 was rolled back/s });
	const ready = (await (await fetch(`${gateway.peopleUrl}/readyz`)).json()) as { isReady: boolean; parts: { part: string; says: string }[] };
	t.match(ready, { isReady: true });
	t.match(ready.parts.find(({ part }) => part === 'policy')?.says, /revision r1; the newer bundle was refused: version 2 is not accepted: version 2 was rolled back/);
	t.match(await policy('reload', '--force', '--json'), { code: 0, stdout: /"revision": "r2"/ });
	t.match((await gateway.api('POST', '/api/policy/reload', { force: 'yes' })).json, { error: { code: 'BAD_INPUT', message: 'force: expected true or false' } });

	const acts = (await gateway.events()).filter(({ kind }) => kind === 'operator' || kind === 'activation').map(({ kind, message, revision, principal }) => [kind, message, revision ?? principal]);
	t.strictSame(
		acts.filter(([, message]) => !message!.startsWith('bundle refused')),
		[
			['activation', 'bundle activated', 'r1'],
			['activation', 'bundle activated', 'r2'],
			['operator', 'policy rollback: from revision r2 to r1', 'bob@example.com'],
			['activation', 'rolled back from revision r2', 'r1'],
			['operator', `policy reload forced: the bundle of ${bundle}, whatever its version`, 'bob@example.com'],
			['activation', 'bundle activated', 'r2'],
		],
	);
});
