import { ActionIcon, Title } from '@mantine/core';
import { useEffect, useState } from 'react';
import { get } from '../api/http.ts';
import type { Approval, ApprovalContext, Session } from '../api/types.ts';
import { BackIcon } from '../shell/icons.tsx';
import { followsInPage, navigate } from '../shell/location.ts';
import { useNow } from '../text/clock.ts';
import { Copyable } from '../text/copyable.tsx';
import { Moment } from '../text/moment.tsx';
import { countdown } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import { Arguments } from './arguments.tsx';
import { DecisionBar } from './decision-bar.tsx';
import { Definition, EarlierCalls } from './context.tsx';
import classes from './detail.module.css';
import { Outcome } from './outcome.tsx';
import { Requirements } from './requirements.tsx';

interface DetailProps {
	readonly approval: Approval;
	readonly session: Session;
	/** Where the list is, where it isn't shown beside. */
	readonly backTo: string | undefined;
}

/** One request: who, what, why, for how long; and the buttons, always in sight. */
export function ApprovalDetail({ approval, session, backTo }: DetailProps) {
	const context = useContextOf(approval.id);
	const { tool, server, principal, agent, requestedAtMs } = approval;
	return (
		<article className={classes['article']}>
			<div className={classes['scroll']}>
				<header className={classes['head']}>
					{backTo !== undefined && (
						<ActionIcon variant="subtle" color="gray" onClick={() => navigate(backTo)} aria-label="back to the list">
							<BackIcon />
						</ActionIcon>
					)}
					<Title order={1} size="h3" className={classes['title']}>
						<Visible text={tool} /> <small>on</small> <Visible text={server} />
					</Title>
					<Expiry approval={approval} />
				</header>
				<p className={classes['who']}>
					For{' '}
					<strong>
						<Visible text={principal} />
					</strong>
					, asked by the agent{' '}
					<strong>
						<Visible text={agent} />
					</strong>{' '}
					<Moment ms={requestedAtMs} />
				</p>
				<Outcome approval={approval} />
				<div className={classes['columns']}>
					<section className={classes['what']}>
						<h2>Arguments</h2>
						<Arguments approval={approval} />
						<h2>Why a person is asked</h2>
						<Requirements approval={approval} session={session} />
					</section>
					<section className={classes['beside']}>
						{context === 'failed' && <p role="alert">What else the agent did could not be read; load the page again to see it.</p>}
						{typeof context === 'object' && (
							<>
								<h2>{context.isOneSession ? 'What else this agent did in the session' : 'What else this agent did'}</h2>
								<EarlierCalls calls={context.calls} />
								<h2>The tool</h2>
								<Definition approval={approval} definition={context.definition} />
							</>
						)}
						{context !== 'loading' && (
							<>
								<h2>Ids</h2>
								<Ids approval={approval} />
							</>
						)}
					</section>
				</div>
			</div>
			<DecisionBar approval={approval} session={session} />
		</article>
	);
}

function Expiry({ approval: { state, expiresAtMs } }: { readonly approval: Approval }) {
	const nowMs = useNow();
	if (state !== 'pending') return <Word word={state} size="lg" />;
	const leftMs = expiresAtMs - nowMs;
	return (
		<span
			className={classes['expiry']}
			data-urgent={leftMs < 60_000 || undefined}
			title={`expires ${new Date(expiresAtMs).toLocaleString()}`}
		>
			<span>expires in </span>
			<b>{countdown(leftMs)}</b>
		</span>
	);
}

function Ids({ approval }: { readonly approval: Approval }) {
	const { id, callId, decisionId, session, turn, revision, definitionDigest, argumentsDigest, sentDigest } = approval;
	const rows = [
		['approval', id],
		['call', callId],
		['decision', decisionId],
		['session', session],
		['turn', turn],
		['policy', revision],
		['definition', definitionDigest],
		['arguments', argumentsDigest],
		['as sent', sentDigest],
	] as const;
	return (
		<dl className={classes['ids']}>
			{rows.map(([name, value]) =>
				value === undefined || value === '' ? null : (
					<div key={name}>
						<dt>{name}</dt>
						<dd>
							<Copyable text={value} />
						</dd>
						{name === 'call' && (
							<dd>
								<a href={`/audit/calls/${value}`} onClick={followsInPage(`/audit/calls/${value}`)}>
									in the trail
								</a>
							</dd>
						)}
					</div>
				),
			)}
		</dl>
	);
}

/** It is shown whole when it has come, so that nothing moves while it does. */
function useContextOf(id: string): ApprovalContext | 'loading' | 'failed' {
	const [context, setContext] = useState<ApprovalContext | 'loading' | 'failed'>('loading');
	useEffect(() => {
		let isCurrent = true;
		get<ApprovalContext>(`/api/approvals/${encodeURIComponent(id)}/context`).then(
			(found) => isCurrent && setContext(found),
			() => isCurrent && setContext('failed'),
		);
		return () => {
			isCurrent = false;
		};
	}, [id]);
	return context;
}
