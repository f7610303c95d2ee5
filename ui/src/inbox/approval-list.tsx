import type { Approval } from '../api/types.ts';
import { followsInPage } from '../shell/location.ts';
import { useNow } from '../text/clock.ts';
import { Moment } from '../text/moment.tsx';
import { countdown } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './inbox.module.css';

interface ListProps {
	readonly approvals: readonly Approval[];
	readonly chosenId: string | undefined;
	readonly hrefOf: (id: string) => string;
}

export function ApprovalList({ approvals, chosenId, hrefOf }: ListProps) {
	return (
		<ul className={classes['list']}>
			{approvals.map((approval) => (
				<li key={approval.id} id={`approval-${approval.id}`}>
					<a
						href={hrefOf(approval.id)}
						onClick={followsInPage(hrefOf(approval.id))}
						className={classes['item']}
						aria-current={approval.id === chosenId}
					>
						<span className={classes['line']}>
							<strong className={classes['clip']}>
								<Visible text={approval.tool} />
							</strong>
							<Time approval={approval} />
						</span>
						<span className={classes['line']}>
							<span className={`${classes['clip']} ${classes['dim']}`}>
								<Visible text={approval.principal} /> · <Visible text={approval.agent} />
							</span>
							{approval.state !== 'pending' && <Word word={approval.state} />}
						</span>
						<span className={`${classes['clip']} ${classes['dim']}`}>
							<Visible text={argumentsLine(approval)} />
						</span>
					</a>
				</li>
			))}
		</ul>
	);
}

/** What is left, or when it was decided. */
function Time({ approval: { state, expiresAtMs, decided } }: { readonly approval: Approval }) {
	const nowMs = useNow();
	if (state === 'pending') {
		const leftMs = expiresAtMs - nowMs;
		return <span className={leftMs < 60_000 ? classes['urgent'] : classes['left']}>{countdown(leftMs)}</span>;
	}
	return <span className={classes['left']}>{decided !== undefined && <Moment ms={decided.atMs} />}</span>;
}

/** The plain arguments in a line, to tell one request from the next. */
function argumentsLine({ arguments: args }: Approval): string {
	return Object.entries(args)
		.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
		.join(', ')
		.slice(0, 160);
}
