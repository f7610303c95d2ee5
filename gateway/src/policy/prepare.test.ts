import t from 'tap';
import { versioned } from './bundle-fixture.ts';
import { Preparation } from './prepare.ts';

const task = (packed: Uint8Array) => ({ packed, gate: {}, fuel: 2_000_000 });

t.test('one worker serves bundle after bundle, and is let go in between without losing one', async (t) => {
	const preparation = new Preparation({ idleMs: 0 });
	t.teardown(() => preparation.close());
	for (let version = 1; version <= 6; version++) {
		const prepared = await preparation.prepare(task(versioned(version)));
		t.equal(prepared?.judge.revision, `r${version}`);
		// The worker is being ended now, has been, or has not.
		if (version % 2 === 0) await new Promise((resolve) => setTimeout(resolve, version));
	}
	await t.rejects(preparation.prepare(task(Buffer.from('x'))), { code: 'BUNDLE', message: /truncated/ });
	t.ok(await preparation.prepare(task(versioned(7))));
});

t.test('a worker that ends is a refusal, and the next bundle gets another', async (t) => {
	const preparation = new Preparation();
	t.teardown(() => preparation.close());
	const asked = preparation.prepare(task(versioned(1)));
	await Promise.all([
		t.rejects(asked, { code: 'BUNDLE', message: 'preparing it failed: its worker ended without an answer' }),
		preparation.close(),
	]);
	t.equal((await preparation.prepare(task(versioned(2))))?.header.revision, 'r2');
});

t.test('evaluators that pass their memory on keep their own policy and data', async (t) => {
	const preparation = new Preparation();
	t.teardown(() => preparation.close());
	const judges = [];
	for (let version = 1; version <= 4; version++) {
		const prepared = await preparation.prepare(
			task(versioned(version, `r${version}`, { data: { toolgate: { selftest: `data ${version}` } } })),
		);
		judges.push(prepared!.judge);
	}
	for (let round = 0; round < 2; round++) {
		for (const [index, judge] of judges.entries()) {
			t.equal(judge.list({ version: 999 }), false);
			t.equal(judge.revision, `r${index + 1}`);
		}
	}
});
