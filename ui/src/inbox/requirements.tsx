import type { Approval, Session, Vote } from '../api/types.ts';
import { Moment } from '../text/moment.tsx';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './detail.module.css';

/** Each rule that asks, what it says, who may answer, and who has. */
export function Requirements({
	approval: { reasons, requirements, votes },
	session,
}: {
	readonly approval: Approval;
	readonly session: Session;
}) {
	const reasonOf = (rule: string): string => reasons.find((reason) => reason.rule === rule)?.message ?? rule;
	return (
		<ul className={classes['rules']}>
			{requirements.map(({ rule, approvers, quorum }, place) => {
				const own = votes.filter(({ counts }) => counts.includes(place));
				const agreed = new Set(own.filter(({ decision }) => decision === 'approve').map(({ approver }) => approver.toLowerCase())).size;
				return (
					<li key={`${rule} ${place}`}>
						<p>
							<Visible text={reasonOf(rule)} />
						</p>
						<p className={classes['dim']}>
							<code>
								<Visible text={rule} />
							</code>{' '}
							· {agreed} of {quorum} agreed · {quorum === 1 ? 'one' : quorum} of{' '}
							{approvers.map((approver, index) => (
								<span key={approver}>
									{index > 0 && ', '}
									<Visible text={approver.replace(/^group:/, '')} />
									{isYou(approver, session) && ' (you)'}
								</span>
							))}
						</p>
						{own.map((vote) => (
							<VoteLine key={`${vote.approver} ${vote.atMs}`} vote={vote} />
						))}
					</li>
				);
			})}
		</ul>
	);
}

function isYou(approver: string, { person }: Session): boolean {
	return approver.startsWith('group:')
		? person.groups.includes(approver.slice('group:'.length))
		: approver.toLowerCase() === person.id.toLowerCase();
}

function VoteLine({ vote: { approver, decision, reason, via, atMs } }: { readonly vote: Vote }) {
	return (
		<p className={classes['vote']}>
			<Word word={decision === 'approve' ? 'approved' : 'rejected'} /> <Visible text={approver} /> <Moment ms={atMs} />, from {via}
			{reason !== undefined && (
				<>
					: “<Visible text={reason} />”
				</>
			)}
		</p>
	);
}
