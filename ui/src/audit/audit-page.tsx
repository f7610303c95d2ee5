import { Alert, Button, Code, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useEffect, useState } from 'react';
import type { Session } from '../api/types.ts';
import type { Entry } from '../api/trail.ts';
import { useKeys } from '../shell/keys.ts';
import { navigate, useLocation } from '../shell/location.ts';
import { Shell } from '../shell/shell.tsx';
import { Chain } from './chain.tsx';
import type { Counted } from './chart-series.ts';
import { Chart } from './chart.tsx';
import { keyOf } from './entry-feed.ts';
import { EntryList } from './entry-list.tsx';
import { FILTER_INPUT_ID, FilterBar } from './filter-bar.tsx';
import { filterQuery, withFilter } from './filter.ts';
import classes from './audit.module.css';
import { Story } from './story.tsx';
import type { Subject } from './use-story.ts';
import { useFeed } from './use-feed.ts';

/** The audit explorer. The filter and what is chosen stand in the address: a link shows the same to somebody else. */
export function AuditPage({ session }: { readonly session: Session }) {
	const { pathname, searchParams: search } = useLocation();
	const subject = subjectOf(pathname);
	const chosen = subject === undefined ? undefined : 'callId' in subject ? subject.callId : `${subject.stream}/${subject.sequence}`;
	const isWide = useMediaQuery('(min-width: 62em)', undefined, { getInitialValueInEffect: false }) ?? true;
	const [isLive, setLive] = useState(true);
	const query = filterQuery(search).toString();
	const [state, feed] = useFeed(query, isLive);
	const { entries, progress, problem, hasMore } = state;

	const addressOf = (path: string, params: URLSearchParams = search): string => (params.size === 0 ? path : `${path}?${params}`);
	const hrefOf = (entry: Entry): string => addressOf(pathOf(entry));
	const change = (changes: Readonly<Record<string, string | undefined>>) => navigate(addressOf(pathname, withFilter(search, changes)));
	const by: Counted = search.get('chart') === 'outcomes' || (search.has('outcome') && !search.has('chart')) ? 'outcome' : 'verdict';

	const step = (by: 1 | -1) => () => {
		const place = entries.findIndex((entry) => keyOf(entry) === chosen);
		const next = entries[place === -1 ? 0 : place + by];
		if (next !== undefined) navigate(hrefOf(next), { replaces: chosen !== undefined });
	};
	useKeys({
		j: step(1),
		ArrowDown: step(1),
		k: step(-1),
		ArrowUp: step(-1),
		Enter: () => (chosen === undefined ? step(1)() : document.getElementById('detail')?.focus()),
		Escape: () => navigate(addressOf('/audit')),
		'/': () => document.getElementById(FILTER_INPUT_ID)?.focus(),
	});
	useEffect(() => {
		document.title = 'Audit · ToolGate';
	}, []);

	const isListShown = isWide || subject === undefined;
	return (
		<Shell session={session} page="audit">
			<div className={classes['page']} data-chosen={(isWide && subject !== undefined) || undefined}>
				{isListShown && (
					<section className={classes['list']} aria-label="Trail">
						<FilterBar
							search={search}
							query={query}
							seen={(name) => valuesOf(entries, name)}
							onChange={change}
							onClear={() => navigate(pathname)}
							isLive={isLive}
							onLive={setLive}
							link={state.link}
						/>
						{progress === 'failed' ? (
							<div className={classes['failed']}>
								<Alert color="red" variant="light" role="alert" p="sm">
									{problem}
									{query !== '' && (
										<Button ml="sm" size="compact-xs" variant="default" onClick={() => navigate(pathname)}>
											Clear the filter
										</Button>
									)}
								</Alert>
							</div>
						) : (
							<>
								<Chart
									query={query}
									edition={
										progress === 'loading' ? undefined : entries[0] === undefined ? '' : `${entries[0].stream}/${entries[0].sequence}`
									}
									by={by}
									bars={isWide ? 90 : 40}
									onBy={(value) => change({ chart: value === 'outcome' ? 'outcomes' : 'verdicts' })}
									onWord={(word) => change({ [by === 'verdict' && !isOutcomeOnly(word) ? 'decision' : 'outcome']: word })}
									onSpan={(fromMs, toMs) => change({ since: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString() })}
								/>
								{progress === 'ready' && entries.length === 0 && !hasMore && state.fresh === 0 ? (
									<Empty isFiltered={query !== ''} onClear={() => navigate(pathname)} />
								) : (
									<EntryList key={query} feed={feed} state={state} chosen={chosen} hrefOf={hrefOf} isWide={isWide} />
								)}
							</>
						)}
						<Chain />
					</section>
				)}
				{subject !== undefined && (
					<section id="detail" className={classes['detail']} aria-label="Story" tabIndex={-1}>
						<Story
							key={chosen}
							subject={subject}
							backTo={addressOf('/audit')}
							isBeside={isWide}
							hrefOfCall={(callId) => addressOf(`/audit/calls/${encodeURIComponent(callId)}`)}
							hrefOfFilter={(name, value) => addressOf(isWide ? pathname : '/audit', new URLSearchParams({ [name]: value }))}
						/>
					</section>
				)}
			</div>
		</Shell>
	);
}

const isOutcomeOnly = (word: string): boolean => !['allow', 'deny', 'approvalRequired', 'budgetExceeded'].includes(word);

const pathOf = ({ callId, stream, sequence }: Entry): string =>
	callId === undefined ? `/audit/events/${encodeURIComponent(stream)}/${sequence}` : `/audit/calls/${encodeURIComponent(callId)}`;

function subjectOf(pathname: string): Subject | undefined {
	const [, callId] = /^\/audit\/calls\/([^/]+)$/.exec(pathname) ?? [];
	if (callId !== undefined) return { callId: decoded(callId) };
	const [, stream, sequence] = /^\/audit\/events\/([^/]+)\/([^/]+)$/.exec(pathname) ?? [];
	return stream === undefined || sequence === undefined ? undefined : { stream: decoded(stream), sequence: decoded(sequence) };
}

/** A broken address is an id that nobody knows. */
function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** Distinct values of a field, the most recent first. */
function valuesOf(entries: readonly Entry[], name: string): readonly string[] {
	const values = entries.slice(0, 500).map((entry) => {
		const value = (entry as unknown as Record<string, unknown>)[name === 'call' ? 'callId' : name];
		return typeof value === 'string' ? value : undefined;
	});
	return [...new Set(values.filter((value) => value !== undefined))];
}

function Empty({ isFiltered, onClear }: { readonly isFiltered: boolean; readonly onClear: () => void }) {
	return (
		<div className={classes['empty']}>
			<Text fw={600}>{isFiltered ? 'Nothing in the trail fits' : 'The trail is empty'}</Text>
			<Text size="sm" c="dimmed" maw={460}>
				{isFiltered ? (
					'Take a chip away, or look further back.'
				) : (
					<>
						Every call that an agent makes through ToolGate is recorded here before it runs. Starting ToolGate prints what to put into your
						agent's settings; <Code>npx toolgate audit tail</Code> shows the same in a terminal.
					</>
				)}
			</Text>
			{isFiltered && (
				<Button size="xs" variant="default" onClick={onClear}>
					Clear the filter
				</Button>
			)}
		</div>
	);
}
