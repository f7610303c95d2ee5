import { Button, Loader } from '@mantine/core';
import { useEffect, useRef } from 'react';
import type { Entry } from '../api/trail.ts';
import { followsInPage } from '../shell/location.ts';
import { Moment } from '../text/moment.tsx';
import { duration } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import { type EntryFeed, type FeedState, keyOf, MAX_FRESH } from './entry-feed.ts';
import classes from './list.module.css';
import { useWindow } from './use-window.ts';

interface ListProps {
	readonly feed: EntryFeed;
	readonly state: FeedState;
	readonly chosen: string | undefined;
	readonly hrefOf: (entry: Entry) => string;
	readonly isWide: boolean;
}

/** So many rows before the end the next page is fetched. */
const AHEAD = 30;

/** Calls and other acts, the newest first. Rows have one height, and what is new waits behind a chip: nothing shifts under whoever reads. */
export function EntryList({ feed, state, chosen, hrefOf, isWide }: ListProps) {
	const box = useRef<HTMLDivElement>(null);
	const rowHeight = isWide ? 34 : 68;
	const { entries, hasMore, isLoadingMore, fresh } = state;
	const { from, to } = useWindow(box, entries.length, rowHeight);
	const isNearEnd = to + AHEAD >= entries.length && entries.length > 0;
	useEffect(() => {
		if (isNearEnd && hasMore) void feed.loadMore();
	}, [feed, isNearEnd, hasMore, entries.length]);
	const place = entries.findIndex((entry) => keyOf(entry) === chosen);
	useEffect(() => {
		const { current } = box;
		if (current === null || place === -1) return;
		const top = place * rowHeight;
		if (top < current.scrollTop) current.scrollTop = top;
		else if (top + rowHeight > current.scrollTop + current.clientHeight) current.scrollTop = top + rowHeight - current.clientHeight;
		// Only when another one is chosen: who scrolls away from it stays where they are.
	}, [chosen, place === -1]);
	const showFresh = () => {
		box.current?.scrollTo({ top: 0 });
		void feed.reload();
	};
	return (
		<div className={classes['frame']}>
			{fresh > 0 && (
				<Button size="compact-sm" radius="xl" className={classes['fresh']} onClick={showFresh}>
					{fresh >= MAX_FRESH ? `${MAX_FRESH - 1}+` : fresh} new
				</Button>
			)}
			<div ref={box} className={classes['box']} data-wide={isWide || undefined}>
				<ul className={classes['rows']} style={{ height: entries.length * rowHeight }} aria-label="Entries">
					{entries.slice(from, to).map((entry, n) => (
						<li key={keyOf(entry)} className={classes['place']} style={{ top: (from + n) * rowHeight, height: rowHeight }}>
							<Row entry={entry} href={hrefOf(entry)} isChosen={keyOf(entry) === chosen} />
						</li>
					))}
				</ul>
				<End feed={feed} hasMore={hasMore} isLoadingMore={isLoadingMore} isEmpty={entries.length === 0} />
			</div>
		</div>
	);
}

function Row({ entry, href, isChosen }: { readonly entry: Entry; readonly href: string; readonly isChosen: boolean }) {
	const { timeMs, words, tool, server, principal, agent, message, rule, durationMs, isRunning } = entry;
	return (
		<a href={href} onClick={followsInPage(href)} className={classes['row']} aria-current={isChosen}>
			<span className={classes['time']}>
				<Moment ms={timeMs} />
			</span>
			<span className={classes['words']}>
				{words.map((word, place) => (
					<span key={place} className={classes['step']}>
						{place > 0 && <span className={classes['arrow']}>→</span>}
						<Word word={word} size="sm" />
					</span>
				))}
			</span>
			<span className={classes['tool']}>
				{tool === undefined ? (
					<span className={classes['dim']}>{message !== undefined && <Visible text={message} />}</span>
				) : (
					<Visible text={tool} />
				)}
				{server !== undefined && (
					<span className={classes['dim']}>
						{' '}
						on <Visible text={server} />
					</span>
				)}
			</span>
			<span className={classes['who']}>
				{principal !== undefined && <Visible text={principal} />}
				{agent !== undefined && (
					<>
						{' '}
						· <Visible text={agent} />
					</>
				)}
			</span>
			<span className={classes['why']}>
				<Visible text={tool === undefined ? '' : (message ?? rule ?? '')} />
			</span>
			<span className={classes['took']}>{isRunning ? 'runs' : durationMs === undefined ? '' : duration(durationMs)}</span>
		</a>
	);
}

function End({
	feed,
	hasMore,
	isLoadingMore,
	isEmpty,
}: {
	readonly feed: EntryFeed;
	readonly hasMore: boolean;
	readonly isLoadingMore: boolean;
	readonly isEmpty: boolean;
}) {
	if (isLoadingMore) {
		return (
			<p className={classes['end']}>
				<Loader size="xs" aria-label="looking further back" />
			</p>
		);
	}
	if (hasMore) {
		return (
			<div className={classes['end']}>
				{isEmpty && <p>None among the events looked through so far.</p>}
				<Button size="compact-sm" variant="default" onClick={() => void feed.loadMore()}>
					Look further back
				</Button>
			</div>
		);
	}
	return isEmpty ? null : <p className={classes['end']}>The trail has nothing earlier that fits.</p>;
}
