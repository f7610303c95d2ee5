import {
	appendFileSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../../test/until.ts';
import type { JsonObject } from '../domain.ts';
import { Policy, type PolicyChange, type PolicyStatus } from './activation.ts';
import { ecPair, filesWith, unpackInto, versioned } from './bundle-fixture.ts';
import { packFiles } from './bundle-files.ts';
import { signFiles } from './signatures.ts';
import type { BundleSource, SourceListener } from './sources/bundle-source.ts';
import { FileSource } from './sources/file-source.ts';

/** A source that gives what it is told to. */
class Hand implements BundleSource {
	readonly says = 'by hand';
	readonly isPersisted: boolean;
	#listener!: SourceListener;
	packed: Uint8Array;

	constructor(packed: Uint8Array, isPersisted = false) {
		this.packed = packed;
		this.isPersisted = isPersisted;
	}
	read = async () => this.packed;
	watch = async (listener: SourceListener) => {
		this.#listener = listener;
		await listener.found(this.packed);
	};
	give = (packed: Uint8Array) => this.#listener.found((this.packed = packed));
	fail = (why: string) => this.#listener.failed(why);
	answer = () => this.#listener.unchanged();
	close = async () => {};
}

interface Started {
	readonly policy: Policy;
	/** Every change so far: what it was, and the revision active after it. */
	readonly changes: string[];
	readonly faults: unknown[];
}

function folderOf(t: Test): string {
	const folder = mkdtempSync(join(tmpdir(), 'toolgate-kept-'));
	t.teardown(() => rmSync(folder, { recursive: true, force: true }));
	return folder;
}

async function start(
	t: Test,
	source: BundleSource,
	{ keepIn = folderOf(t), verification }: Partial<ConstructorParameters<typeof Policy>[0]> = {},
): Promise<Started> {
	const changes: string[] = [];
	const faults: unknown[] = [];
	const policy = new Policy({
		source,
		fuel: 2_000_000,
		keepIn,
		...(verification === undefined ? {} : { verification }),
		onChange: ({ active }: PolicyStatus, change: PolicyChange) => void changes.push(`${change} ${active?.revision ?? 'none'}`),
		onFault: (error) => faults.push(error),
	});
	await policy.start();
	t.teardown(() => policy.close());
	return { policy, changes, faults };
}

const sees = (policy: Policy): boolean =>
	policy.judge().list({
		version: 1,
		principal: { id: 'alice', kind: 'user', groups: ['support'], claims: {} },
		agent: { id: 'a' },
		server: { name: 'stripe' },
		tool: { name: 'get_charge', annotations: {}, definitionDigest: 'd', pinned: true },
		time: { ms: 0, iso: '', weekday: 'monday', hour: 0, timezone: 'UTC' },
		environment: 'test',
	} satisfies JsonObject);

t.test('a bundle is active once it has passed, and replaced only by one that has', async (t) => {
	const hand = new Hand(versioned(3));
	const { policy, changes } = await start(t, hand);
	t.match(policy.status(), { source: 'by hand', active: { revision: 'r3', version: 3 }, problem: undefined });
	t.ok(sees(policy));
	const before = policy.judge();

	const refused: [Uint8Array, RegExp][] = [
		[versioned(2), /^version 2 is not accepted: version 3 is active, and an older one needs toolgate policy rollback/],
		[versioned(3).subarray(0, 5000), /not a complete gzip file/],
		[versioned(4, 'r4', { files: { 'policy.wasm': Buffer.from('\0asm') } }), /./],
		[versioned(4, 'r4', { files: { 'policy.wasm': Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) } }), /not a policy compiled by OPA/],
		[versioned(4, 'r4', { data: { toolgate: { patterns: { own: '(' } } } }), /data\.toolgate\.patterns\.own is not an RE2 expression/],
		[versioned(4, 'r4', { data: { toolgate: { patterns: { email: 'x' } } } }), /belongs to a pattern that every gateway has/],
		[versioned(4, 'r4', { data: { toolgate: { patterns: ['x'] } } }), /expected names with RE2 expressions/],
		[versioned(4, 'r4', { data: `{"deep": ${'['.repeat(600)}${']'.repeat(600)}}` }), /data.* nested deeper/],
		[versioned(4, 'r4', { data: '{"half": "\\ud800"}' }), /not well-formed Unicode/],
		[versioned(4, 'r4', { data: '{"huge": 1e999}' }), /not a finite number/],
	];
	for (const [packed, message] of refused) {
		await hand.give(packed);
		t.match(policy.status().problem?.why, message);
		t.equal(policy.judge(), before, 'the last good one stays');
	}
	await hand.give(versioned(3));
	t.equal(policy.status().problem, undefined, 'the active one again: nothing is wrong any more');
	await hand.give(versioned(3, 'r3b'));
	t.equal(policy.status().active?.revision, 'r3b', 'equal is not older');
	await hand.give(versioned(4));
	t.equal(policy.judge().revision, 'r4');
	t.equal(before.revision, 'r3', 'whoever holds the old one goes on with it');
	t.ok(before.list({ version: 1 }) === false);
	t.strictSame(changes, ['activated r3', ...refused.map(() => 'refused r3'), 'activated r3b', 'activated r4']);
});

t.test('without a valid bundle nothing can be decided, and what is wrong is said once', async (t) => {
	const hand = new Hand(Buffer.from('nonsense'));
	const { policy, changes } = await start(t, hand);
	t.throws(() => policy.judge(), { name: 'PolicyError', message: /there is no valid policy bundle: truncated/ });
	await hand.give(Buffer.from('nonsense'));
	await hand.fail('it is away');
	await hand.fail('it is away');
	t.match(policy.status(), { active: undefined, problem: { why: 'it is away' } });
	hand.answer();
	t.match(policy.status().problem?.why, /truncated/);
	await hand.give(versioned(1));
	t.strictSame(changes, ['refused none', 'refused none', 'activated r1']);
	await hand.fail('it is away');
	t.match(policy.status(), { active: { revision: 'r1' }, problem: { why: 'it is away' } });
	hand.answer();
	t.equal(policy.status().problem, undefined);
});

t.test('a roll-back leads one revision back and lasts until a newer version comes', async (t) => {
	const hand = new Hand(versioned(5));
	const { policy, changes } = await start(t, hand);
	await t.rejects(policy.rollback(), { code: 'CONFLICT', message: 'there is no earlier bundle to go back to' });
	await hand.give(versioned(6));
	t.match(policy.status(), { previous: { revision: 'r5' } });
	t.match(await policy.rollback(), { active: { revision: 'r5', version: 5 }, rolledBack: { revision: 'r6' }, previous: undefined });
	t.equal(policy.judge().revision, 'r5');
	await t.rejects(policy.rollback(), { code: 'CONFLICT' });
	for (const again of [versioned(6), versioned(6, 'r6b'), versioned(5, 'r5b')]) {
		await hand.give(again);
		t.match(policy.status(), {
			active: { revision: 'r5' },
			problem: { why: /version 6 was rolled back, only a newer one replaces it; toolgate policy reload --force takes it/ },
		});
	}
	t.match(await policy.reload(), { active: { revision: 'r5' } });
	await hand.give(versioned(7));
	t.match(policy.status(), { active: { revision: 'r7' }, rolledBack: undefined, previous: { revision: 'r5' }, problem: undefined });

	await policy.rollback();
	hand.packed = versioned(6);
	t.match(await policy.reload({ force: true }), { active: { revision: 'r6' }, rolledBack: undefined }, 'forced');
	await hand.give(versioned(5));
	t.match(policy.status(), { active: { revision: 'r6' }, problem: { why: /version 5 is not accepted: version 6 is active/ } });
	t.strictSame(
		changes.filter((change) => !change.startsWith('refused')),
		['activated r5', 'activated r6', 'rolledBack r5', 'activated r7', 'rolledBack r5', 'activated r6'],
	);
});

t.test('versions and a roll-back outlive a restart; what was kept is verified again', async (t) => {
	const keepIn = join(t.testdir(), 'kept');
	const restart = async (source: BundleSource) => start(t, source, { keepIn });
	const first = await restart(new Hand(versioned(3)));
	await first.policy.close();

	const older = await restart(new Hand(versioned(2)));
	t.match(older.policy.status(), { active: undefined, problem: { why: /version 2 is not accepted: version 3 was active before/ } });
	const hand = new Hand(versioned(4));
	const newer = await restart(hand);
	t.match(newer.policy.status(), { active: { revision: 'r4' }, previous: { revision: 'r3' } }, 'a roll-back is possible after a restart');
	await newer.policy.rollback();

	const rolledBack = await restart(new Hand(versioned(4)));
	t.match(rolledBack.policy.status(), {
		active: { revision: 'r3' },
		rolledBack: { revision: 'r4' },
		problem: { why: /version 4 was rolled back/ },
	});
	t.equal(rolledBack.policy.judge().revision, 'r3');

	const [kept] = readdirSync(keepIn).filter((file) => file.endsWith('.bundle'));
	t.equal(readdirSync(keepIn).length, 2, 'one bundle, one state');
	writeFileSync(join(keepIn, kept!), versioned(3, 'r3', { data: { toolgate: { changed: true } } }));
	const tampered = await restart(new Hand(versioned(4)));
	t.equal(tampered.policy.status().active, undefined);
	t.match(tampered.changes[0], 'refused none');

	const elsewhere = await start(t, Object.assign(new Hand(versioned(1)), { says: 'elsewhere' }), { keepIn });
	t.match(elsewhere.policy.status(), { active: { revision: 'r1' } }, 'another source has its own versions');

	writeFileSync(join(keepIn, 'state.json'), '{');
	const broken = await restart(new Hand(versioned(1)));
	t.match(broken.policy.status(), { active: { revision: 'r1' } });
	t.match(broken.faults, [SyntaxError]);
});

t.test('a persisted bundle serves until the source answers, and only if it is still signed', async (t) => {
	const keepIn = join(t.testdir(), 'kept');
	const { publicKey, privateKey } = ecPair();
	const files = filesWith({ manifest: { revision: 'signed', metadata: { version: 2 } } });
	const packed = packFiles(files.set('.signatures.json', signFiles(files, { key: privateKey, algorithm: 'ES256' })));
	const verification = { keys: { prod: { key: publicKey, algorithm: 'ES256' as const } } };
	const first = await start(t, new Hand(packed, true), { keepIn, verification });
	t.match(first.policy.status(), { active: { revision: 'signed', signature: { keyid: 'prod' } } });

	class Away extends Hand {
		override watch = async (listener: SourceListener) => listener.failed('the service is away');
		override read = async () => {
			throw new Error('the service is away');
		};
	}
	const cold = await start(t, new Away(packed, true), { keepIn, verification });
	t.match(cold.policy.status(), { active: { revision: 'signed' }, problem: { why: 'the service is away' } });
	t.match(await cold.policy.reload(), { active: { revision: 'signed' }, problem: { why: 'the service is away' } });
	const unpersisted = await start(t, new Away(packed), { keepIn, verification });
	t.throws(() => unpersisted.policy.judge(), { message: /the service is away/ });
	const rekeyed = await start(t, new Away(packed, true), {
		keepIn,
		verification: { keys: { prod: { key: ecPair().publicKey, algorithm: 'ES256' } } },
	});
	t.throws(() => rekeyed.policy.judge(), { name: 'PolicyError' });
	t.match(rekeyed.changes, ['refused none', 'refused none']);
});

t.test('a folder that can not be written keeps nobody from a new policy', async (t) => {
	const keepIn = join(t.testdir({ file: '' }), 'file', 'kept');
	const { policy, faults } = await start(t, new Hand(versioned(1)), { keepIn });
	t.equal(policy.judge().revision, 'r1');
	t.match(faults, [{ code: 'ENOTDIR' }, { code: 'ENOTDIR' }]);
});

t.test('a file is followed as it is replaced, half written, taken away and put back', async (t) => {
	const file = join(t.testdir(), 'bundle.tar.gz');
	const active = (policy: Policy, revision: string) =>
		until(`revision ${revision}`, () => policy.status().active?.revision === revision && policy.status().problem === undefined);
	writeFileSync(file, versioned(1));
	const { policy, changes } = await start(t, new FileSource(file));
	t.equal(policy.judge().revision, 'r1');

	await writeFile(`${file}.new`, versioned(2));
	await rename(`${file}.new`, file);
	await active(policy, 'r2');

	const third = versioned(3);
	writeFileSync(file, third.subarray(0, 20_000));
	await until('the half is refused', () => policy.status().problem?.why === 'not a complete gzip file');
	t.equal(policy.judge().revision, 'r2');
	appendFileSync(file, third.subarray(20_000));
	await active(policy, 'r3');

	unlinkSync(file);
	await until('the file is missed', () => /no such file/.test(policy.status().problem?.why ?? ''));
	t.equal(policy.judge().revision, 'r3');
	writeFileSync(file, third);
	await until('it is back', () => policy.status().problem === undefined);

	const fourth = versioned(4);
	for (let at = 0; at < fourth.length; at += 4096) {
		appendFileSync(`${file}.slow`, fourth.subarray(at, at + 4096));
	}
	renameSync(`${file}.slow`, file);
	await active(policy, 'r4');
	await policy.close();
	t.strictSame(changes, ['activated r1', 'activated r2', 'refused r2', 'activated r3', 'refused r3', 'activated r4']);
});

t.test('a folder, and a link that is turned, are followed too', async (t) => {
	const folder = t.testdir();
	const active = (policy: Policy, revision: string) => until(`revision ${revision}`, () => policy.status().active?.revision === revision);
	unpackInto(join(folder, 'one'), filesWith({ manifest: { revision: 'one' } }));
	const { policy } = await start(t, new FileSource(join(folder, 'one')), { keepIn: join(folder, 'kept') });
	t.equal(policy.judge().revision, 'one');
	unpackInto(join(folder, 'one'), filesWith({ manifest: { revision: 'two' }, data: { a: 1 } }));
	await active(policy, 'two');

	mkdirSync(join(folder, 'a'));
	mkdirSync(join(folder, 'b'));
	writeFileSync(join(folder, 'a/bundle.tar.gz'), versioned(1, 'a'));
	writeFileSync(join(folder, 'b/bundle.tar.gz'), versioned(1, 'b'));
	symlinkSync('a', join(folder, 'current'));
	const linked = await start(t, new FileSource(join(folder, 'current/bundle.tar.gz')), { keepIn: join(folder, 'kept-of-link') });
	t.equal(linked.policy.judge().revision, 'a');
	symlinkSync('b', join(folder, 'next'));
	renameSync(join(folder, 'next'), join(folder, 'current'));
	await active(linked.policy, 'b');
	rmSync(join(folder, 'current'));
	await until('the link is missed', () => linked.policy.status().problem !== undefined);
	t.equal(linked.policy.judge().revision, 'b');
	t.ok(readFileSync(join(folder, 'kept-of-link/state.json'), 'utf8').includes('"b"'));
});
