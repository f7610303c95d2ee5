import { Loader } from '@mantine/core';
import type { Json } from '../api/types.ts';
import type { Entry, TrailEvent } from '../api/trail.ts';
import { DetailHead } from '../shell/detail-head.tsx';
import { followsInPage } from '../shell/location.ts';
import { Copyable } from '../text/copyable.tsx';
import { JsonText } from '../text/json-text.tsx';
import { Moment } from '../text/moment.tsx';
import { duration } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './story.module.css';
import { StoryEvent } from './story-event.tsx';
import { type Subject, useStory, useTurn } from './use-story.ts';

interface StoryProps {
	readonly subject: Subject;
	/** Where the list is, without anything chosen. */
	readonly backTo: string;
	readonly isBeside: boolean;
	readonly hrefOfCall: (callId: string) => string;
	/** The list with nothing but this filter. */
	readonly hrefOfFilter: (name: string, value: string) => string;
}

/** One call from the request to what became of it. */
export function Story({ subject, backTo, isBeside, hrefOfCall, hrefOfFilter }: StoryProps) {
	const story = useStory(subject);
	if (story === 'loading') {
		return (
			<div className={classes['nothing']}>
				<Loader size="sm" aria-label="reading the trail" />
			</div>
		);
	}
	if (story === 'unknown' || 'problem' in story) {
		return (
			<div className={classes['nothing']}>
				<p role="alert">
					{story === 'unknown' ? 'The trail has no such call or event: the address is wrong, or retention took it away.' : story.problem}
				</p>
				<a href={backTo} onClick={followsInPage(backTo)}>
					Back to the list
				</a>
			</div>
		);
	}
	const { events, words } = story;
	const first = events[0]!;
	const named = events.find(({ tool }) => tool !== undefined);
	const took = events.findLast(({ detail }) => typeof detail?.['durationMs'] === 'number')?.detail?.['durationMs'] as number | undefined;
	const input = events.find((event) => event.input !== undefined)?.input;
	return (
		<article className={classes['story']}>
			<DetailHead backTo={backTo} isBeside={isBeside}>
				<Visible text={named?.tool ?? first.kind} />
				{named?.server !== undefined && (
					<>
						{' '}
						<small>on</small> <Visible text={named.server} />
					</>
				)}
			</DetailHead>
			<p className={classes['words']}>
				{words.map((word, place) => (
					<span key={place} className={classes['step']}>
						{place > 0 && <span className={classes['dim']}>→</span>}
						<Word word={word} />
					</span>
				))}
			</p>
			<p className={classes['who']}>
				{first.principal !== undefined && (
					<>
						For <FilterLink name="principal" value={first.principal} hrefOf={hrefOfFilter} />
						{first.agent !== undefined && (
							<>
								, by the agent <FilterLink name="agent" value={first.agent} hrefOf={hrefOfFilter} />
							</>
						)}{' '}
						·{' '}
					</>
				)}
				<Moment ms={first.timeMs} />
				{took !== undefined && <span className={classes['took']}> · took {duration(took)}</span>}
			</p>
			<h2>What happened</h2>
			<ol className={classes['timeline']} aria-label="Timeline">
				{events.map((event, place) => (
					<StoryEvent
						key={`${event.stream}/${event.sequence}`}
						event={event}
						sinceMs={place === 0 ? undefined : event.timeMs - events[place - 1]!.timeMs}
					/>
				))}
			</ol>
			{input !== undefined && <Arguments input={input} />}
			<Turn first={first} hrefOfCall={hrefOfCall} hrefOfFilter={hrefOfFilter} />
			<h2>Fields</h2>
			<Fields events={events} hrefOfFilter={hrefOfFilter} />
		</article>
	);
}

function Arguments({ input }: { readonly input: { readonly [name: string]: Json } }) {
	const { arguments: args, argumentsDigest, argumentsBytes } = input;
	return (
		<>
			<h2>Arguments, as recorded</h2>
			{args === undefined ? (
				<p className={classes['dim']}>
					Not recorded, because nobody decided what of them may be: {String(argumentsBytes ?? '?')} bytes,{' '}
					<Visible text={String(argumentsDigest ?? '')} />
				</p>
			) : (
				<JsonText value={args} />
			)}
		</>
	);
}

/** The calls of the same turn, in their order; the one that is shown among them. */
function Turn({ first, hrefOfCall, hrefOfFilter }: { readonly first: TrailEvent } & Pick<StoryProps, 'hrefOfCall' | 'hrefOfFilter'>) {
	const calls = useTurn(first);
	if (first.turn === undefined || calls === undefined) return null;
	return (
		<>
			<h2>
				The turn: {calls.length === 1 ? 'only this call' : `${calls.length} calls`}{' '}
				<a href={hrefOfFilter('turn', first.turn)} onClick={followsInPage(hrefOfFilter('turn', first.turn))}>
					in the list
				</a>
			</h2>
			<ol className={classes['turn']} aria-label="Calls of the turn">
				{calls.map(
					(call) =>
						call.callId !== undefined && (
							<TurnCall key={call.callId} call={call} href={hrefOfCall(call.callId)} isThis={call.callId === first.callId} />
						),
				)}
			</ol>
		</>
	);
}

function TurnCall({ call: { tool, words }, href, isThis }: { readonly call: Entry; readonly href: string; readonly isThis: boolean }) {
	return (
		<li>
			<a href={href} onClick={followsInPage(href)} aria-current={isThis}>
				<span className={classes['clip']}>
					<Visible text={tool ?? ''} />
				</span>
				<span className={classes['step']}>
					{words.map((word, place) => (
						<Word key={place} word={word} size="xs" />
					))}
				</span>
			</a>
		</li>
	);
}

const FIELDS = [
	['call', 'call', ({ callId }: TrailEvent) => callId],
	['decision', 'decisionId', ({ decisionId }: TrailEvent) => decisionId],
	['rule', 'rule', ({ rule }: TrailEvent) => rule],
	['approval', undefined, ({ approvalId }: TrailEvent) => approvalId],
	['session', 'session', ({ session }: TrailEvent) => session],
	['turn', 'turn', ({ turn }: TrailEvent) => turn],
	['server', 'server', ({ server }: TrailEvent) => server],
	['tool', 'tool', ({ tool }: TrailEvent) => tool],
	['policy', undefined, ({ revision }: TrailEvent) => revision],
] as const;

/** What the call is known by. An approval that was judged twice has two decisions: each distinct value stands once. */
function Fields({ events, hrefOfFilter }: { readonly events: readonly TrailEvent[] } & Pick<StoryProps, 'hrefOfFilter'>) {
	return (
		<dl className={classes['fields']}>
			{FIELDS.flatMap(([label, filter, valueOf]) =>
				[...new Set(events.flatMap((event) => valueOf(event) ?? []))].map((value) => (
					<div key={`${label} ${value}`}>
						<dt>{label}</dt>
						<dd>
							<Copyable text={value} />
						</dd>
						<dd className={classes['only']}>
							{filter !== undefined && (
								<a href={hrefOfFilter(filter, value)} onClick={followsInPage(hrefOfFilter(filter, value))}>
									only this
								</a>
							)}
							{label === 'approval' && (
								<a href={`/approvals/${value}`} onClick={followsInPage(`/approvals/${value}`)}>
									open
								</a>
							)}
						</dd>
					</div>
				)),
			)}
		</dl>
	);
}

function FilterLink({
	name,
	value,
	hrefOf,
}: {
	readonly name: string;
	readonly value: string;
	readonly hrefOf: StoryProps['hrefOfFilter'];
}) {
	return (
		<a href={hrefOf(name, value)} onClick={followsInPage(hrefOf(name, value))} title={`only this ${name}`}>
			<Visible text={value} />
		</a>
	);
}
