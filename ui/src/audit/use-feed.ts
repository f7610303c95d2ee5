import { useDocumentVisibility } from '@mantine/hooks';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { EntryFeed, type FeedState } from './entry-feed.ts';

/** The feed of a filter. It hears of news while it is live and somebody can see the page: a browser has few connections for all its tabs. */
export function useFeed(query: string, isLive: boolean): [FeedState, EntryFeed] {
	const feed = useMemo(() => new EntryFeed(query), [query]);
	const isSeen = useDocumentVisibility() === 'visible';
	const state = useSyncExternalStore(feed.subscribe, () => feed.state);
	useEffect(() => void feed.reload(), [feed]);
	const mayFollow = isLive && isSeen && state.progress === 'ready';
	useEffect(() => {
		if (!mayFollow) return undefined;
		feed.follow();
		return () => feed.unfollow();
	}, [feed, mayFollow]);
	return [state, feed];
}
