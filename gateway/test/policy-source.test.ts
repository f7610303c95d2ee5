import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { PolicyStatus } from '../src/policy/activation.ts';
import { packFiles } from '../src/policy/bundle-files.ts';
import { ecPair, filesWith, versioned } from '../src/policy/bundle-fixture.ts';
import { signFiles } from '../src/policy/signatures.ts';
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
	const policy = (...args: string[]) =>
		cli(t, ['policy', ...args, '--config', gateway.configFile, '--url', gateway.peopleUrl], {
			env: { TOOLGATE_OPERATOR_TOKEN: OPERATOR_TOKEN },
		});
	const active = (revision: string) =>
		until(revision, async () => (await gateway.api<PolicyStatus>('GET', '/api/policy')).json.active?.revision === revision);

	t.match(await policy('rollback'), { code: 1, stderr: 'toolgate: there is no earlier bundle to go back to\n' });
	ship(versioned(2));
	await active('r2');
	t.match(await policy('status'), {
		code: 0,
		stdout: /active.*revision r2, version 2.*\nbefore {2}revision r1, version 1: toolgate policy rollback goes back to it/s,
	});
	t.match(await policy('rollback'), {
		code: 0,
		stderr: '',
		stdout: /active.*revision r1, version 1.*\nrolled back {2}from revision r2, version 2, until a newer version comes/s,
	});

	const agent = await openAgent(gateway.mcpUrl);
	t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok');
	t.equal((await gateway.events()).findLast(({ tool }) => tool === 'get_charge')?.revision, 'r1');
	t.match(await policy('reload'), { code: 1, stdout: /refused.*version 2 was rolled back/s });
	const ready = (await (await fetch(`${gateway.peopleUrl}/readyz`)).json()) as {
		isReady: boolean;
		parts: { part: string; says: string }[];
	};
	t.match(ready, { isReady: true });
	t.match(
		ready.parts.find(({ part }) => part === 'policy')?.says,
		/revision r1; the newer bundle was refused: version 2 is not accepted: version 2 was rolled back/,
	);
	t.match(await policy('reload', '--force', '--json'), { code: 0, stdout: /"revision": "r2"/ });
	t.match((await gateway.api('POST', '/api/policy/reload', { force: 'yes' })).json, {
		error: { code: 'BAD_INPUT', message: 'force: expected true or false' },
	});

	const acts = (await gateway.events())
		.filter(({ kind }) => kind === 'operator' || kind === 'activation')
		.map(({ kind, message, revision, principal }) => [kind, message, revision ?? principal]);
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

t.test('a signed bundle comes from a service, and is still there after a restart without it', async (t) => {
	const { publicKey, privateKey } = ecPair();
	const signed = (version: number, key = privateKey) => {
		const files = filesWith({ manifest: { revision: `r${version}`, metadata: { version } } });
		return packFiles(files.set('.signatures.json', signFiles(files, { key, algorithm: 'ES256', keyid: 'prod' })));
	};
	let packed: Buffer | undefined = signed(1);
	const service = createServer((request, response) => {
		if (request.headers.authorization !== 'Bearer abc') return void response.writeHead(401).end();
		if (packed === undefined) return void response.writeHead(503).end();
		const etag = `"${packed.length}-${packed.readUInt32LE(packed.length - 8)}"`;
		if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end();
		else response.writeHead(200, { etag }).end(packed);
	});
	await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
	t.teardown(() => {
		service.closeAllConnections();
		service.close();
	});
	const config = {
		policy: {},
		dataDir: join(t.testdir(), 'data'),
		opa: {
			labels: { region: 'eu' },
			services: {
				plane: { url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`, credentials: { bearer: { token: 'abc' } } },
			},
			bundles: { main: { persist: true, polling: { min_delay_seconds: 1, max_delay_seconds: 1 } } },
			keys: { prod: { key: publicKey, algorithm: 'ES256' } },
		},
	};
	const first = await build(t, { config });
	const status = async ({ api }: typeof first) => (await api<PolicyStatus>('GET', '/api/policy')).json;
	await until('the first', async () => (await status(first)).active !== undefined);
	t.match(await status(first), { active: { revision: 'r1', signature: { keyid: 'prod' } }, labels: { region: 'eu' } });
	packed = signed(2, ecPair().privateKey);
	await until('a forged one is refused', async () => (await status(first)).problem?.why === 'the signature is not by the key prod');
	packed = signed(2);
	await until('the second', async () => (await status(first)).active?.revision === 'r2');
	await first.close();

	packed = undefined;
	const second = await build(t, { config });
	t.match(await status(second), { active: { revision: 'r2', signature: { keyid: 'prod' } }, previous: { revision: 'r1' } });
	await until('the outage is told', async () => (await status(second)).problem?.why.endsWith('HTTP 503'));
	const agent = await openAgent(second.mcpUrl);
	t.equal((await agent.call('get_charge', { charge: 'ch_alice_1' })).word, 'ok');
	t.match((await second.events()).find(({ kind }) => kind === 'activation')?.detail, { labels: { region: 'eu' }, signedBy: 'prod' });
});
