import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { runOpa } from '../../../tools/opa/index.ts';
import type { JsonObject } from '../domain.ts';
import { ENTRYPOINTS, openBundle, readBundle } from './bundle.ts';
import { packFiles } from './bundle-files.ts';
import { type Changes, bundleWith, defaultBundle, filesWith, tarEntry as entry, tarOf as archive, unpackInto } from './bundle-fixture.ts';
import { readTar, TarError, writeTar } from './tar.ts';

/** A record begins with its own length. */
function paxRecord(text: string): string {
	const length = [1, 2, 3].map((digits) => text.length + digits + 2).find((all, index) => String(all).length === index + 1);
	return `${length} ${text}\n`;
}

t.test('an archive gives back what was put into it, whatever the names and sizes', (t) => {
	const step = fc.stringMatching(/^[a-z0-9_-]{1,50}$/);
	const path = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join('/'));
	fc.assert(
		fc.property(
			fc.uniqueArray(fc.record({ path, bytes: fc.uint8Array({ maxLength: 1500 }) }), { selector: (each) => each.path, maxLength: 6 }),
			(entries) => {
				const read = readTar(writeTar(entries));
				t.strictSame(
					read.map((each) => ({ path: each.path, bytes: Buffer.from(each.bytes) })),
					entries.map((each) => ({ path: each.path, bytes: Buffer.from(each.bytes) })),
				);
			},
		),
		{ numRuns: 50 },
	);
	t.throws(() => writeTar([{ path: 'x'.repeat(101), bytes: Buffer.alloc(0) }]), TarError);
	t.end();
});

t.test('archives as other programs write them', (t) => {
	const names = (bytes: Buffer) => readTar(bytes).map(({ path }) => path);
	t.strictSame(
		names(archive(entry('/a/b'), entry('./c'), entry('d/', { type: '5' }))),
		['a/b', 'c'],
		'leading slashes and dots go, folders are passed over',
	);
	t.strictSame(names(archive(entry('name', { prefix: 'some/folder' }))), ['some/folder/name']);
	const long = `${'folder/'.repeat(30)}name`;
	t.strictSame(names(archive(entry('PaxHeaders', { type: 'x', content: paxRecord(`path=${long}`) }), entry('short'))), [long]);
	t.strictSame(names(archive(entry('g', { type: 'g', content: paxRecord('comment=x') }), entry('a'))), ['a']);
	t.end();
});

t.test('an archive that is not one of plain files is refused by name', (t) => {
	const cases: [Buffer, RegExp][] = [
		[archive(entry('../policy.wasm')), /"\.\.\/policy\.wasm" leaves the archive/],
		[archive(entry('a/../../b')), /leaves the archive/],
		[archive(entry('a\\..\\b')), /leaves the archive/],
		[archive(entry('p', { type: 'x', content: paxRecord('path=../../etc/passwd') }), entry('a')), /leaves the archive/],
		[archive(entry('data.json', { type: '2', link: '/etc/passwd' })), /data\.json is a link or a device/],
		[archive(entry('data.json', { type: '1', link: 'other' })), /data\.json is a link or a device/],
		[archive(entry('null', { type: '3' })), /null is a link or a device/],
		[archive(entry('fifo', { type: '6' })), /fifo is a link or a device/],
		[archive(entry('sparse', { type: 'S' })), /sparse is a link or a device/],
		[archive(entry('a'), entry('/a')), /\/a stands in the archive twice/],
		[archive(entry('a', { content: 'abc', size: 4096 })), /truncated inside a/],
		[entry('a', { content: 'abc' }), /truncated: the archive has no end/],
		[archive(entry('p', { type: 'x', content: '9999 path=a\n' }), entry('a')), /pax header is malformed/],
		[archive(entry('p', { type: 'x', content: paxRecord('size=99999999999') }), entry('a')), /larger than a bundle may be/],
		[Buffer.from('x'.repeat(2048)), /not a tar archive: bad checksum at byte 0/],
		[Buffer.alloc(0), /truncated/],
	];
	for (const [bytes, message] of cases) {
		t.throws(() => readTar(bytes), message, String(message));
		t.throws(() => openBundle(gzipSync(bytes)), { code: 'BUNDLE', message });
	}
	t.end();
});

t.test('any damage to a bundle is a refusal, or changes nothing of what is in it', (t) => {
	const packed = bundleWith();
	const { digest } = openBundle(packed);
	fc.assert(
		fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, isCut) => {
			const damaged = isCut ? packed.subarray(0, at) : Buffer.from(packed);
			if (!isCut) damaged[at]! ^= flip;
			try {
				// There are bits that mean nothing: the time in a gzip header, the code of a symbol that does not occur.
				return openBundle(damaged).digest === digest;
			} catch (error) {
				return (error as { code?: string }).code === 'BUNDLE';
			}
		}),
		{ numRuns: 200 },
	);
	t.pass('200 kinds of damage');
	t.end();
});

t.test('a bundle that lacks something, or has what we would pass over, is refused by name', (t) => {
	const wasm = (entries: JsonObject[]): Changes => ({ manifest: { wasm: entries } });
	const modules = ENTRYPOINTS.map((entrypoint) => ({ entrypoint, module: '/policy.wasm' }));
	const cases: [Changes, RegExp][] = [
		[{ files: { '.manifest': undefined } }, /^\.manifest is missing$/],
		[{ files: { '.manifest': '{' } }, /^\.manifest is not JSON$/],
		[{ files: { '.manifest': '[]' } }, /^\.manifest is not a JSON object$/],
		[{ files: { '.manifest': Buffer.from([0x7b, 0xff, 0x7d]) } }, /^\.manifest is not JSON$/],
		[{ files: { 'policy.wasm': undefined } }, /^policy\.wasm is missing$/],
		[{ files: { 'data.json': '[1]' } }, /^data\.json is not a JSON object$/],
		[wasm([]), /lists no WebAssembly module/],
		[wasm(modules.slice(1)), /lacks the entrypoint toolgate\/decision\/list$/],
		[wasm([{ entrypoint: 'x', module: '/policy.wasm' }]), /lacks the entrypoints toolgate\/decision\/list, toolgate\/decision\/call/],
		[wasm([...modules, modules[1]!]), /two modules offer the entrypoint toolgate\/decision\/call/],
		[wasm([...modules.slice(1), { entrypoint: ENTRYPOINTS[0], module: '/other.wasm' }]), /several modules/],
		[wasm([{ entrypoint: 1, module: '/policy.wasm' }]), /a wasm entry without entrypoint or module/],
		[{ manifest: { metadata: { version: '3' } } }, /metadata\.version: expected a whole number/],
		[{ manifest: { metadata: { version: -1 } } }, /metadata\.version: expected a whole number/],
		[{ files: { 'rules/x/data.json': '{}' } }, /^rules\/x\/data\.json: only data\.json at the top is read/],
		[{ files: { 'data.yaml': 'a: 1' } }, /^data\.yaml: only data\.json/],
		[{ files: { 'patch.json': '{}' } }, /delta is not accepted/],
		[{ data: { toolgate: { rules: { payments: {} } } } }, /data under toolgate\.rules/],
		[
			{ files: { 'rules/a/b/b.rego': '# why\n\npackage toolgate.rules.a.b\n' } },
			/^rules\/a\/b\/b\.rego: package toolgate\.rules\.a\.b would never be asked/,
		],
		[{ files: { 'rules/a/b.rego': 'package toolgate.rules.a["b"]\n' } }, /would never be asked/],
	];
	for (const [changes, message] of cases) t.throws(() => openBundle(bundleWith(changes)), { code: 'BUNDLE', message }, String(message));
	t.throws(() => openBundle(gzipSync(Buffer.alloc(65 * 1024 * 1024))), { message: /more than 67108864 bytes unpacked/ }, 'a bomb');
	t.throws(() => openBundle(packFiles(new Map(Array.from({ length: 10_001 }, (_, index) => [`f${index}`, Buffer.alloc(0)])))), {
		message: /10001 files/,
	});
	t.equal(openBundle(bundleWith({ files: { 'rules/a/a.rego': 'package toolgate.rules.a\n' } })).version, 1);
	t.end();
});

t.test('what is known of a bundle does not hang on how it was packed', async (t) => {
	const folder = t.testdir();
	unpackInto(folder, filesWith());
	const [fromFile, fromFolder] = [await readBundle(defaultBundle), await readBundle(folder)];
	for (const key of ['revision', 'digest', 'version', 'entrypoints', 'data', 'manifest'] as const)
		t.strictSame(fromFolder[key], fromFile[key], key);
	t.match(fromFile, { revision: /^sha256:[0-9a-f]{64}$/, digest: /^sha256:[0-9a-f]{64}$/, version: 1 });
	t.not(openBundle(bundleWith({ data: { a: 1 } })).digest, fromFile.digest);
	t.equal(openBundle(bundleWith({ manifest: { revision: '', metadata: {} } })).version, 0);
	const unnamed = openBundle(bundleWith({ manifest: { revision: '' } }));
	t.equal(unnamed.revision, unnamed.digest);
	t.equal(openBundle(gunzipSync(bundleWith())).digest, fromFile.digest, 'a plain archive');

	symlinkSync('/etc/hostname', join(folder, 'rules/link'));
	await t.rejects(readBundle(folder), { code: 'BUNDLE', message: /rules\/link is a link/ });
	await t.rejects(readBundle(join(folder, 'absent.tar.gz')), { message: /absent\.tar\.gz: no such file/ });
	const large = join(t.testdirName, 'large.tar.gz');
	writeFileSync(large, Buffer.alloc(17 * 1024 * 1024));
	await t.rejects(readBundle(large), { message: /17825792 bytes, at most 16777216/ });
});

t.test('every digit of the data reaches the policy', (t) => {
	const { data } = openBundle(
		bundleWith({
			data: '{"a": 12345678901234567890, "b": -9007199254740993, "c": 9007199254740991, "d": 1.5, "e": "12345678901234567890"}',
		}),
	);
	t.strictSame(data, { a: 12345678901234567890n, b: -9007199254740993n, c: 9007199254740991, d: 1.5, e: '12345678901234567890' } as object);
	t.end();
});

t.test('a bundle of opa build is read, and one without entrypoints of ours is not', async (t) => {
	const folder = t.testdir();
	unpackInto(folder, new Map([...filesWith()].filter(([path]) => path.endsWith('.rego'))));
	mkdirSync(join(folder, 'teams'));
	writeFileSync(join(folder, 'teams/data.json'), '{"size": 3}');
	writeFileSync(join(folder, 'own.rego'), 'package own\n\n# METADATA\n# entrypoint: true\nallow := data.teams.size > 2\n');
	const out = join(t.testdirName, 'bundle.tar.gz');
	const { code, stderr } = await runOpa(['build', '-t', 'wasm', '-b', '.', '-o', out], { cwd: folder });
	t.equal(code, 0, stderr);
	await t.rejects(readBundle(out), { message: /lacks the entrypoints/ });
	const flags = ENTRYPOINTS.flatMap((name) => ['-e', name]);
	const sources = join(import.meta.dirname, '../../../policy');
	const whole = await runOpa(
		[
			'build',
			'-t',
			'wasm',
			'-r',
			'seven',
			...flags,
			'--ignore',
			'*_test.rego',
			'-o',
			out,
			join(sources, 'lib'),
			join(sources, 'rules'),
			join(folder, 'teams/data.json'),
		],
		{ cwd: folder },
	);
	t.equal(whole.code, 0, whole.stderr);
	t.match(await readBundle(out), { revision: 'seven', version: 0, data: { size: 3 } });
});
