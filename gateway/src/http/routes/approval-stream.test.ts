import t from 'tap';
import type { ApprovalView } from '../../approvals/approval.ts';
import type { Onlooker } from '../../approvals/changes.ts';
import { liveApprovals } from './approval-stream.ts';

const view = (id: string, state: ApprovalView['state'] = 'pending'): ApprovalView => ({ id, state }) as ApprovalView;

function aStream(open: ApprovalView[]) {
	const onlookers = new Set<Onlooker>();
	const stop = new AbortController();
	const approvals = {
		list: async () => open,
		watch(onlooker: Onlooker) {
			onlookers.add(onlooker);
			return () => onlookers.delete(onlooker);
		},
	};
	const events = liveApprovals({ approvals, nowMs: () => 7 }, ({ id, state }) => `${id} ${state}`, stop.signal);
	const next = async () => (await events.next()).value;
	return {
		events,
		next,
		onlookers,
		stop,
		tell: (approval: ApprovalView) => onlookers.forEach((one) => one.changed(approval)),
		miss: () => onlookers.forEach((one) => one.missed()),
	};
}

t.test('everything that is open comes first, then each change', async (t) => {
	const { next, tell } = aStream([view('a'), view('b')]);
	t.same(await next(), { event: 'snapshot', data: { nowMs: 7, approvals: ['a pending', 'b pending'] } });
	const coming = next();
	tell(view('a', 'approved'));
	t.same(await coming, { event: 'changed', data: 'a approved' });
});

t.test('a slow reader gets the newest state of each, once', async (t) => {
	const { next, tell } = aStream([]);
	await next();
	for (const state of ['pending', 'approved', 'dispatched', 'done'] as const) for (const id of ['a', 'b']) tell(view(id, state));
	t.same(
		[await next(), await next()],
		[
			{ event: 'changed', data: 'a done' },
			{ event: 'changed', data: 'b done' },
		],
	);
});

t.test('when something may have been missed, everything comes again, and stands for what waited', async (t) => {
	const { next, tell, miss } = aStream([view('a')]);
	await next();
	tell(view('a', 'approved'));
	miss();
	t.match(await next(), { event: 'snapshot' });
	const coming = next();
	tell(view('c'));
	t.same(await coming, { event: 'changed', data: 'c pending' });
});

t.test('nobody is told any more when the reader has gone', async (t) => {
	const { events, next, onlookers, stop } = aStream([]);
	await next();
	const coming = events.next();
	t.equal(onlookers.size, 1);
	stop.abort();
	t.same(await coming, { done: true, value: undefined });
	t.equal(onlookers.size, 0);
});
