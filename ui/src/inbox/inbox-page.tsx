import { Alert, SegmentedControl } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useEffect } from 'react';
import type { Approval, Session } from '../api/types.ts';
import { Shell } from '../shell/shell.tsx';
import { navigate, useLocation } from '../shell/location.ts';
import { ApprovalDetail } from './approval-detail.tsx';
import { ApprovalList } from './approval-list.tsx';
import { follow, isOpen, isWaiting, load, loadEnded, useKnown } from './approvals.ts';
import { NothingChosen, NothingFound, NothingHere } from './empty.tsx';
import classes from './inbox.module.css';
import { useKeys } from '../shell/keys.ts';

type View = 'open' | 'decided';

/** What waits for a person, beside the one that is looked at. On a phone one of the two. */
export function InboxPage({ session }: { readonly session: Session }) {
	const known = useKnown();
	const { pathname, searchParams } = useLocation();
	const view: View = searchParams.get('view') === 'decided' ? 'decided' : 'open';
	const chosenId = /^\/approvals\/([^/]+)$/.exec(pathname)?.[1];
	const isWide = useMediaQuery('(min-width: 62em)', undefined, { getInitialValueInEffect: false }) ?? true;

	useEffect(follow, []);
	useEffect(() => {
		if (view === 'decided' && !known.areEndedComplete) void loadEnded().catch(() => undefined);
	}, [view, known.areEndedComplete]);
	useEffect(() => {
		if (chosenId !== undefined && known.link === 'live' && !known.byId.has(chosenId) && !known.unknown.has(chosenId)) void load(chosenId);
	}, [chosenId, known]);

	const all = [...known.byId.values()];
	const waiting = all.filter(isWaiting).length;
	const listed = listOf(all, view);
	const chosen = chosenId === undefined ? undefined : known.byId.get(chosenId);
	const isComplete = known.link !== 'connecting' && (view === 'open' || known.areEndedComplete);

	const linkTo = (id?: string, to: View = view): string =>
		`/approvals${id === undefined ? '' : `/${id}`}${to === 'decided' ? '?view=decided' : ''}`;
	const step = (by: 1 | -1) => () => {
		const place = listed.findIndex(({ id }) => id === chosenId);
		const next = listed[place === -1 ? 0 : place + by];
		if (next === undefined) return;
		navigate(linkTo(next.id), { replaces: chosenId !== undefined });
		document.getElementById(`approval-${next.id}`)?.scrollIntoView({ block: 'nearest' });
	};
	useKeys({
		j: step(1),
		ArrowDown: step(1),
		k: step(-1),
		ArrowUp: step(-1),
		Enter: () => (chosenId === undefined ? step(1)() : document.getElementById('detail')?.focus()),
		Escape: () => navigate(linkTo()),
	});

	// On a wide window the first is shown at once; it stays when others come.
	const first = listed[0]?.id;
	useEffect(() => {
		if (isWide && pathname !== '/approvals' && chosenId === undefined) navigate('/approvals', { replaces: true });
		if (isWide && chosenId === undefined && view === 'open' && first !== undefined) navigate(`/approvals/${first}`, { replaces: true });
	}, [isWide, pathname, chosenId, view, first]);
	useEffect(() => {
		document.title = waiting === 0 ? 'ToolGate' : `(${waiting}) ToolGate`;
	}, [waiting]);

	return (
		<Shell session={session} page="inbox" waiting={waiting}>
			{known.link === 'lost' && (
				<Alert color="orange" variant="filled" radius={0} py={6} className={classes['lost']} role="status">
					ToolGate can not be reached just now. What is shown may be old; this page tries again by itself.
				</Alert>
			)}
			<div className={classes['page']}>
				{(isWide || chosenId === undefined) && (
					<section className={classes['side']} aria-label="Approvals">
						<SegmentedControl
							fullWidth
							className={classes['views']}
							value={view}
							onChange={(to) => navigate(linkTo(undefined, to as View))}
							data={[
								{ value: 'open', label: 'Open' },
								{ value: 'decided', label: 'Decided' },
							]}
						/>
						{listed.length > 0 && <ApprovalList approvals={listed} chosenId={chosenId} hrefOf={linkTo} />}
						{listed.length === 0 && isComplete && <NothingHere view={view} isWide={isWide} />}
						<p className={classes['hints']}>
							<kbd>j</kbd> <kbd>k</kbd> next, previous · <kbd>a</kbd> approve · <kbd>r</kbd> reject
						</p>
					</section>
				)}
				{(isWide || chosenId !== undefined) && (
					<section id="detail" className={classes['detail']} aria-label="Approval" tabIndex={-1}>
						{chosen !== undefined && (
							<ApprovalDetail key={chosen.id} approval={chosen} session={session} backTo={isWide ? undefined : linkTo()} />
						)}
						{chosen === undefined && chosenId !== undefined && known.unknown.has(chosenId) && <NothingFound id={chosenId} />}
						{chosenId === undefined && isComplete && <NothingChosen view={view} isEmpty={listed.length === 0} />}
					</section>
				)}
			</div>
		</Shell>
	);
}

/** Open: what a person has to answer before what goes on by itself, the most urgent first. Decided: the newest first. */
function listOf(all: readonly Approval[], view: View): Approval[] {
	if (view === 'decided') return all.filter((one) => !isWaiting(one)).sort((a, b) => endedMs(b) - endedMs(a));
	const open = all.filter(isOpen);
	return open.sort((a, b) => Number(isWaiting(b)) - Number(isWaiting(a)) || a.expiresAtMs - b.expiresAtMs || (a.id < b.id ? -1 : 1));
}

const endedMs = ({ decided, expiresAtMs }: Approval): number => decided?.atMs ?? expiresAtMs;
