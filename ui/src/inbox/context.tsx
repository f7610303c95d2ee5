import type { Approval, ApprovalContext } from '../api/types.ts';
import { WarningIcon } from '../shell/icons.tsx';
import { useNow } from '../text/clock.ts';
import { Moment } from '../text/moment.tsx';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './detail.module.css';

const LATELY_MS = 7 * 86_400_000;

/** Other calls, the newest first, each as the trail tells it. */
export function EarlierCalls({ calls }: Pick<ApprovalContext, 'calls'>) {
	if (calls.length === 0) return <p className={classes['dim']}>Nothing yet: this is its first call.</p>;
	return (
		<ul className={classes['calls']}>
			{calls.map(({ callId, tool, atMs, words }) => (
				<li key={callId}>
					<span className={classes['call']}>
						<Visible text={tool} />
						<span className={classes['words']}>
							{words.map((word, place) => (
								<Word key={`${word} ${place}`} word={word} />
							))}
						</span>
					</span>
					<span className={classes['dim']}>
						<Moment ms={atMs} />
					</span>
				</li>
			))}
		</ul>
	);
}

/** What the tool says it does, and whether that has changed lately. */
export function Definition({ approval, definition }: { readonly approval: Approval } & Pick<ApprovalContext, 'definition'>) {
	const nowMs = useNow();
	const { description, firstSeenAtMs, earlier, isAccepted, acceptedBy, acceptedAtMs } = definition;
	if (description === undefined && isAccepted === undefined)
		return <p className={classes['dim']}>It is not among the tools that were ever listed.</p>;
	const hasChangedLately = earlier > 0 && firstSeenAtMs !== undefined && nowMs - firstSeenAtMs < LATELY_MS;
	return (
		<div className={classes['definition']}>
			{isAccepted === false && (
				<p className={classes['warning']}>
					<WarningIcon /> Another definition of {approval.tool} is accepted by now: this approval can not be used any more.
				</p>
			)}
			{isAccepted === true && hasChangedLately && firstSeenAtMs !== undefined && (
				<p className={classes['warning']}>
					<WarningIcon />
					<span>
						The definition of this tool changed <Moment ms={firstSeenAtMs} />
						{acceptedBy === 'operator' && acceptedAtMs !== undefined && (
							<>
								, and an operator accepted it <Moment ms={acceptedAtMs} />
							</>
						)}
					</span>
				</p>
			)}
			{description !== undefined && (
				<p className={classes['says']}>
					<Visible text={description} isBlock />
				</p>
			)}
			{isAccepted === true && !hasChangedLately && firstSeenAtMs !== undefined && (
				<p className={classes['dim']}>
					Its definition is unchanged since <Moment ms={firstSeenAtMs} />
					{acceptedBy === 'operator' && ', accepted by an operator'}.
				</p>
			)}
		</div>
	);
}
