import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RecordedEvent } from '../src/audit/trail.ts';
import type { ApprovalView } from '../src/approvals/approval.ts';
import { openAgent } from './agent.ts';
import { root, tracesOf, writeConfig } from './build.ts';
import { cli, startCli } from './cli.ts';
import { hangingUpstream } from './hanging-upstream.ts';
import { payments } from './payments.ts';
import { freePort, serve, serveAgain } from './served.ts';
import { embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

/** The life of `toolgate serve`: what it refuses to begin with, what it waits for, how it ends. */

const CHARGE = { charge: 'ch_alice_1' };
const REFUND = { charge: 'ch_alice_4', amount: 4_200 };

const folder = (t: Test): string => {
	const made = mkdtempSync(join(tmpdir(), 'toolgate-folder-'));
	t.teardown(() => rmSync(made, { recursive: true, force: true }));
	return made;
};

t.test('[serve.refuses] what can not work ends at once with one line that names it, and leaves no process behind', async (t) => {
	const taken = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => taken.once('listening', resolve));
	t.teardown(() => taken.close());
	const port = (taken.address() as { port: number }).port;
	const free = await freePort();
	const bundle = join(root, 'bundles/toolgate.tar.gz');
	const cases: [string, Record<string, unknown>, RegExp][] = [
		[
			'a wide address',
			{ listen: { agents: '0.0.0.0:0', people: '127.0.0.1:0' } },
			/listen\.agents binds 0\.0\.0\.0, wider than loopback, while auth\.mode is none: set auth\.mode: token, or auth\.allowUnauthenticated: true/,
		],
		[
			'a port of agents in use',
			{ listen: { agents: `127.0.0.1:${port}`, people: '127.0.0.1:0' } },
			new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use by .*\\(pid ${process.pid}\\): .*listen\\.agents`),
		],
		[
			'a port of people in use',
			{ listen: { agents: '127.0.0.1:0', people: `127.0.0.1:${port}` } },
			new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use by .*\\(pid ${process.pid}\\): .*listen\\.people`),
		],
		[
			'a port in use while the store is away',
			{ listen: { agents: `127.0.0.1:${free}`, people: `127.0.0.1:${port}` }, store: { dsn: 'postgres://nobody@127.0.0.1:1/none' } },
			new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`),
		],
		[
			'half of Lark',
			{ lark: { appId: 'cli_1' }, listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' } },
			/lark: appId is set, so appSecret has to be set too/,
		],
	];
	// The first one may have to be made, which takes its time.
	const dataDirs: string[] = [];
	for (const _ of cases) dataDirs.push(await embeddedDataDir(t));
	await Promise.all(
		cases.map(async ([what, config, says], n) => {
			const file = writeConfig(t, { policy: { bundle }, dataDir: dataDirs[n], ...config });
			const running = startCli(t, ['serve', '--config', file]);
			const end = await Promise.race([running.end, new Promise<undefined>((resolve) => setTimeout(resolve, 60_000, undefined).unref())]);
			t.match(end, { code: 2 }, `${what}: ${running.said()}`);
			t.match(running.said(), says, what);
			t.notMatch(running.said(), /\n\s+at |unexpected/, what);
		}),
	);
});

t.test('a port in use is told before the database is opened, or made', { timeout: 60_000 }, async (t) => {
	const taken = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => taken.once('listening', resolve));
	t.teardown(() => taken.close());
	const { port } = taken.address() as { port: number };
	const dataDir = join(folder(t), 'data');
	for (const listen of [
		{ agents: `127.0.0.1:${port}`, people: '127.0.0.1:0' },
		{ agents: '127.0.0.1:0', people: `127.0.0.1:${port}` },
	]) {
		const { code, stderr } = await cli(t, ['serve', '--config', writeConfig(t, { dataDir, listen })]);
		t.equal(code, 2);
		t.match(
			stderr,
			/^toolgate: port \d+ on 127\.0\.0\.1 is in use by \S+ \(pid \d+\): stop that, or choose another with listen\.\w+ in the configuration, or TOOLGATE_LISTEN_\w+\n$/,
		);
		t.notOk(existsSync(dataDir));
	}
});

t.test('a log holds no link to sign in with', async (t) => {
	const gateway = await serve(t, { dataDir: await embeddedDataDir(t), operator: { as: 'bob@example.com' } });
	await until('the start to be over', () => gateway.said().includes('serves agents at'));
	t.match(await gateway.end('SIGTERM'), { code: 0 });
	t.notMatch(gateway.said(), /sign-in|code=/i);
});

t.test(
	'[serve.drain] SIGTERM while it starts: what it has opened is closed, what it serves is drained, and it ends with 0',
	{ timeout: 120_000 },
	async (t) => {
		const dataDir = await embeddedDataDir(t);
		// Whoever closes the store takes this away.
		const owner = join(dataDir, 'owner.json');
		const port = await freePort();
		const config = writeConfig(t, { dataDir, listen: { agents: `127.0.0.1:${port}`, people: '127.0.0.1:0' } });
		const answers = () =>
			fetch(`http://127.0.0.1:${port}/healthz`).then(
				() => true,
				() => false,
			);
		for (const [when, isThere] of [
			['it has begun to open the database', () => existsSync(owner)],
			['it answers', answers],
		] as const) {
			const { process, end, said } = startCli(t, ['serve', '--config', config]);
			await until(when, isThere, 60_000);
			process.kill('SIGTERM');
			t.match(await end, { code: 0 }, `${when}: ${said()}`);
			t.notOk(existsSync(owner), `${when}: the store is closed`);
			t.notMatch(said(), /unexpected|abort/i);
		}
	},
);

t.test(
	'[store.unwritable] a data folder that can not be written is said on the terminal and in /readyz, and taken when it can',
	async (t) => {
		const blocked = join(folder(t), 'file');
		writeFileSync(blocked, '');
		const gateway = await serve(t, { dataDir: join(blocked, 'data'), operator: { as: 'bob@example.com' } });
		t.match(await gateway.ready(), { status: 503, text: /store.*file\/data can't be written \(ENOTDIR\)/ });
		t.match(gateway.said(), /the store can not be opened: .*ENOTDIR/);
		rmSync(blocked);
		mkdirSync(blocked);
		cpSync(await embeddedDataDir(t), join(blocked, 'data'), { recursive: true });
		await until('the gateway', async () => (await gateway.ready().catch(() => undefined))?.status === 200, 60_000);
	},
);

t.test(
	'[serve.one-owner] a data folder has one owner; a second gateway is refused by name, the operator token is in a file of its own',
	async (t) => {
		const dataDir = await embeddedDataDir(t);
		const upstream = await payments(t);
		const first = await serve(t, { dataDir, operator: { as: 'bob@example.com' }, upstreams: { stripe: { url: upstream.url } } });
		t.equal(statSync(join(dataDir, 'operator.token')).mode & 0o777, 0o600);
		const other = writeConfig(t, { dataDir, listen: { agents: '127.0.0.1:0', people: '127.0.0.1:0' } });
		const second = await cli(t, ['serve', '--config', other]);
		t.match(second, {
			code: 2,
			stderr: new RegExp(`data folder ${dataDir} is in use by process ${first.cli.process.pid} \\(toolgate serve, since `),
		});
		t.match(
			await cli(t, ['policy', 'status', '--config', first.configFile]),
			{ code: 0, stdout: /active {2}revision sha256:/ },
			'the first one serves on, and the command reads the token',
		);
		await first.end('SIGKILL');
		t.match(await cli(t, ['policy', 'status', '--config', first.configFile]), {
			code: 2,
			stderr: /no gateway answers at http:.*start one with/,
		});
	},
);

t.test(
	'[serve.drain] SIGTERM lets calls in flight end, tells held ones to come again, takes no new ones, and the process ends with 0',
	async (t) => {
		const upstream = await hangingUpstream(t);
		const gateway = await serve(t, { dataDir: await embeddedDataDir(t), upstreams: { stripe: { url: upstream.url } } });
		const agent = await openAgent(gateway.mcpUrl);
		const flying = agent.call('get_charge', CHARGE);
		await until('the call', () => upstream.calls() === 1);
		const held = agent.call('create_refund', REFUND);
		await until('an approval', async () => (await gateway.get<{ approvals: ApprovalView[] }>('/api/approvals')).approvals[0]);
		const toldAt = performance.now();
		const ended = gateway.end('SIGTERM');
		t.equal((await held).word, 'approval_pending', 'nobody waits for a person while a process ends');
		t.ok(performance.now() - toldAt < 5_000, 'at once, and not when the hold ends');
		await until('the port to close', () =>
			fetch(gateway.mcpUrl).then(
				() => false,
				() => true,
			),
		);
		upstream.release();
		t.match(await flying, { word: 'ok', text: 'done' });
		t.match(await ended, { code: 0 });

		const after = await serveAgain(t, gateway);
		const events = (await after.get<{ events: RecordedEvent[] }>('/api/audit?limit=100')).events.reverse();
		t.same(tracesOf(events), ['get_charge → allow', 'create_refund → approvalRequired → approval_pending']);
	},
);
