import t from 'tap';
import type { ApprovalView } from './approval.ts';
import { Changes } from './changes.ts';

const view = (id: string, state: ApprovalView['state']): ApprovalView => ({ id, state }) as ApprovalView;

/** A reading that ends when the test says so. */
function readings() {
	const waiting: { id: string; answer: (found: ApprovalView | undefined) => void; fail: (error: Error) => void }[] = [];
	return { waiting, read: (id: string) => new Promise<ApprovalView | undefined>((answer, fail) => waiting.push({ id, answer, fail })) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

t.test('a change is read once for everybody who looks, and not at all while nobody does', async (t) => {
	const { waiting, read } = readings();
	const changes = new Changes(read, (error) => t.fail(String(error)));
	changes.heard('a');
	t.equal(waiting.length, 0);
	const seen: string[] = [];
	const stops = ['x', 'y'].map((name) =>
		changes.watch({ changed: ({ id, state }) => seen.push(`${name} ${id} ${state}`), missed: () => seen.push(`${name} missed`) }),
	);
	changes.heard('a');
	t.equal(waiting.length, 1);
	waiting[0]!.answer(view('a', 'pending'));
	await settled();
	t.same(seen.splice(0), ['x a pending', 'y a pending']);
	stops[0]!();
	changes.heard('');
	t.same(seen.splice(0), ['y missed'], 'without an id, everything may have changed');
	stops[1]!();
	changes.heard('b');
	t.equal(waiting.length, 1);
});

t.test('what changes while it is read is read again: an older reading never comes last', async (t) => {
	const { waiting, read } = readings();
	const changes = new Changes(read, (error) => t.fail(String(error)));
	const seen: string[] = [];
	changes.watch({ changed: ({ state }) => seen.push(state), missed: () => seen.push('missed') });
	changes.heard('a');
	changes.heard('a');
	changes.heard('a');
	t.equal(waiting.length, 1, 'one at a time');
	waiting[0]!.answer(view('a', 'approved'));
	await settled();
	t.equal(waiting.length, 2);
	waiting[1]!.answer(view('a', 'done'));
	await settled();
	t.same(seen, ['approved', 'done']);
	t.equal(waiting.length, 2);
});

t.test('a reading that fails is told as something missed, and the next change is read again', async (t) => {
	const { waiting, read } = readings();
	const faults: unknown[] = [];
	const changes = new Changes(read, (error) => faults.push(error));
	const seen: string[] = [];
	changes.watch({ changed: ({ state }) => seen.push(state), missed: () => seen.push('missed') });
	changes.heard('a');
	waiting[0]!.fail(new Error('the store is away'));
	await settled();
	t.match(faults, [/the store is away/]);
	t.same(seen, ['missed']);
	changes.heard('a');
	waiting[1]!.answer(undefined);
	await settled();
	t.same(seen, ['missed'], 'what is gone is not told');
});
