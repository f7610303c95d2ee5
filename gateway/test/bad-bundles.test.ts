import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { runOpa } from '../../tools/opa/index.ts';
import type { PolicyStatus } from '../src/policy/activation.ts';
import { packFiles } from '../src/policy/bundle-files.ts';
import { type Changes, ecPair, filesWith, tarEntry, tarOf, wasmOfAbi } from '../src/policy/bundle-fixture.ts';
import { ENTRYPOINTS } from '../src/policy/bundle.ts';
import { signFiles } from '../src/policy/signatures.ts';
import { readTar } from '../src/policy/tar.ts';
import { openAgent } from './agent.ts';
import { root } from './build.ts';
import { cli } from './cli.ts';
import { payments } from './payments.ts';
import { serve } from './served.ts';
import { embeddedDataDir } from './stores.ts';
import { until } from './until.ts';

const ours = ecPair();
const signed = (changes: Changes, key = ours.privateKey): Buffer => {
	const files = filesWith(changes);
	return packFiles(files.set('.signatures.json', signFiles(files, { key, algorithm: 'ES256', keyid: 'prod' })));
};
const versioned = (version: number, changes: Changes = {}): Buffer =>
	signed({ ...changes, manifest: { ...changes.manifest, revision: `r${version}`, metadata: { version } } });

/** The library with one rule that calls out, as OPA compiles it where nobody says what the gateway has. */
async function callingOut(folder: string): Promise<Buffer> {
	const rule = `package toolgate.rules.out

finding contains {"rule": "out.call", "verdict": "deny", "message": "no"} if http.send({"method": "GET", "url": input.arguments.url}).status_code == 200
`;
	writeFileSync(join(folder, 'out.rego'), rule);
	const out = join(folder, 'out.tar.gz');
	const flags = ['-t', 'wasm', '--ignore', '*_test.rego', '-o', out];
	const { code, stderr } = await runOpa(['build', ...flags, join(root, 'policy/lib'), join(folder, 'out.rego')]);
	if (code !== 0) throw new Error(stderr);
	const files = new Map(readTar(gunzipSync(readFileSync(out))).map(({ path, bytes }) => [path, bytes]));
	files.set(
		'.manifest',
		Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(files.get('.manifest')!).toString()), metadata: { version: 9 } })),
	);
	return packFiles(files.set('.signatures.json', signFiles(files, { key: ours.privateKey, algorithm: 'ES256', keyid: 'prod' })));
}

t.test('each kind of bad bundle is refused by name under a gateway at work; the last good one stays, and everybody is told', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-bad-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	const bundle = join(folder, 'bundle.tar.gz');
	const ship = (packed: Uint8Array) => {
		writeFileSync(`${bundle}.new`, packed);
		renameSync(`${bundle}.new`, bundle);
	};
	const good = versioned(5);
	ship(good);
	const upstream = await payments(t);
	const gateway = await serve(t, {
		upstreams: { stripe: { url: upstream.url } },
		policy: { bundle },
		dataDir: await embeddedDataDir(t),
		opa: { keys: { prod: { key: ours.publicKey, algorithm: 'ES256' } } },
	});
	const status = () => gateway.get<PolicyStatus>('/api/policy');
	await until('the good one', async () => (await status()).active?.revision === 'r5');
	const agent = await openAgent(gateway.mcpUrl);

	const modules = ENTRYPOINTS.map((entrypoint) => ({ entrypoint, module: '/policy.wasm' }));
	const cases: [what: string, packed: Uint8Array, why: string][] = [
		[
			'without the entrypoint of calls',
			versioned(6, { manifest: { wasm: modules.filter(({ entrypoint }) => entrypoint !== 'toolgate/decision/call') } }),
			'the bundle lacks the entrypoint toolgate/decision/call',
		],
		[
			'an unsupported ABI',
			versioned(6, { files: { 'policy.wasm': wasmOfAbi(2) } }),
			"OPA's WebAssembly ABI 2.3 is not supported; 1.2 or later of version 1 is",
		],
		['a builtin that is missing', await callingOut(folder), 'the policy needs builtins that the gateway does not provide: http.send'],
		['over size', Buffer.alloc(17 * 1024 * 1024), `${bundle}: 17825792 bytes, at most 16777216`],
		['over size, unpacked', gzipSync(Buffer.alloc(65 * 1024 * 1024)), 'more than 67108864 bytes unpacked'],
		['a way out', gzipSync(tarOf(tarEntry('../policy.wasm'))), '"../policy.wasm" leaves the archive'],
		[
			'a link',
			gzipSync(tarOf(tarEntry('data.json', { type: '2', link: '/etc/passwd' }))),
			'data.json is a link or a device; only files and folders are accepted',
		],
		['truncated', gzipSync(gunzipSync(good).subarray(0, 70_000)), 'truncated inside /policy.wasm'],
		['half written', good.subarray(0, good.length / 2), 'not a complete gzip file'],
		[
			'signed by an unknown key',
			signed({ manifest: { metadata: { version: 6 } } }, ecPair().privateKey),
			'the signature is not by the key prod',
		],
		[
			'older than the active one',
			versioned(4),
			'version 4 is not accepted: version 5 is active, and an older one needs toolgate policy rollback or reload --force',
		],
	];
	for (const [what, packed, why] of cases) {
		ship(packed);
		const { active } = await until(what, async () => {
			const now = await status();
			return now.problem?.why === why && now;
		}).catch(async (cause) => {
			throw new Error(`${what}: ${JSON.stringify(await status())}`, { cause });
		});
		t.equal(active?.revision, 'r5', `${what}: the last good one stays`);
		const { status: code, text } = await gateway.ready();
		t.equal(code, 200, 'and serves');
		const { parts } = JSON.parse(text) as { parts: { part: string; says: string }[] };
		t.ok(parts.find(({ part }) => part === 'policy')!.says.endsWith(`revision r5; the newer bundle was refused: ${why}`), parts[0]!.says);
		await until(`${what} in the log`, () =>
			gateway.said().includes(JSON.stringify(`policy bundle refused, the last good one stays: ${why}`)),
		);
		t.match(await agent.call('get_charge', { charge: 'ch_alice_1' }, { 'x-mcp-turn-id': randomUUID() }), { word: 'ok' });
	}
	const shown = await cli(t, ['policy', 'status', '--config', gateway.configFile]);
	t.match(shown, {
		code: 1,
		stdout: /^active {2}revision r5, version 5, .*\nrefused {2}.*: version 4 is not accepted: version 5 is active/,
	});
	ship(versioned(6));
	await until('the next good one', async () => (await status()).active?.revision === 'r6');
	t.match(await cli(t, ['policy', 'status', '--config', gateway.configFile]), { code: 0, stdout: /^active {2}revision r6/ });
});
