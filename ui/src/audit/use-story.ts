import { useEffect, useState } from 'react';
import { ApiError, get } from '../api/http.ts';
import type { Entry, EntryPage, TrailEvent } from '../api/trail.ts';
import { lookAgain } from '../shell/session.ts';

/** One call, or one event that is about none. */
export type Subject = { readonly callId: string } | { readonly stream: string; readonly sequence: string };

export interface Story {
	/** Oldest first. */
	readonly events: readonly TrailEvent[];
	readonly words: readonly string[];
}

const LOOK_EVERY_MS = 2_000;

/** What became of it so far; looked at again until it has ended. */
export function useStory(subject: Subject): Story | 'loading' | 'unknown' | { readonly problem: string } {
	const [found, setFound] = useState<{ readonly path: string; readonly story: ReturnType<typeof useStory> }>();
	const path = pathOf(subject);
	useEffect(() => {
		let timer: ReturnType<typeof setTimeout> | undefined;
		let isCurrent = true;
		const look = async () => {
			try {
				const story = await storyAt(path);
				if (!isCurrent) return;
				setFound({ path, story: story.events.length === 0 ? 'unknown' : story });
				if (story.events.length > 0 && !hasEnded(story)) timer = setTimeout(() => void look(), LOOK_EVERY_MS);
			} catch (error) {
				if (error instanceof ApiError && error.status === 401) void lookAgain();
				const isUnknown = error instanceof ApiError && error.status === 404;
				if (isCurrent) setFound({ path, story: isUnknown ? 'unknown' : { problem: (error as Error).message } });
			}
		};
		void look();
		return () => {
			isCurrent = false;
			clearTimeout(timer);
		};
	}, [path]);
	return found?.path === path ? found.story : 'loading';
}

const pathOf = (subject: Subject): string =>
	'callId' in subject
		? `/api/audit/calls/${encodeURIComponent(subject.callId)}`
		: `/api/audit/events/${encodeURIComponent(subject.stream)}/${encodeURIComponent(subject.sequence)}`;

async function storyAt(path: string): Promise<Story> {
	const answer = await get<Story | TrailEvent>(path);
	return 'events' in answer ? answer : { events: [answer], words: [answer.outcome ?? answer.decision ?? answer.kind] };
}

function hasEnded({ events }: Story): boolean {
	const { kind, admission } = events.at(-1)!;
	return kind !== 'decision' && kind !== 'approval' && (kind !== 'intent' || (admission !== 'granted' && admission !== ''));
}

/** The other calls of the turn, oldest first; undefined while they are not known. */
export function useTurn({ turn, principal, agent }: Pick<TrailEvent, 'turn' | 'principal' | 'agent'>): readonly Entry[] | undefined {
	const [calls, setCalls] = useState<readonly Entry[]>();
	useEffect(() => {
		if (turn === undefined) return undefined;
		let isCurrent = true;
		const query = new URLSearchParams({
			turn,
			limit: '200',
			...(principal === undefined ? {} : { principal }),
			...(agent === undefined ? {} : { agent }),
		});
		get<EntryPage>(`/api/audit/entries?${query}`).then(
			({ entries }) => isCurrent && setCalls(entries.toReversed()),
			() => undefined,
		);
		return () => {
			isCurrent = false;
		};
	}, [turn, principal, agent]);
	return turn === undefined ? undefined : calls;
}
