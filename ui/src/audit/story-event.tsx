import { UnstyledButton } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import type { TrailEvent } from '../api/trail.ts';
import type { Json } from '../api/types.ts';
import { JsonText } from '../text/json-text.tsx';
import { duration } from '../text/times.ts';
import { Visible } from '../text/visible.tsx';
import { Word } from '../text/word.tsx';
import classes from './story.module.css';

const exactTime = new Intl.DateTimeFormat(undefined, {
	hour: '2-digit',
	minute: '2-digit',
	second: '2-digit',
	fractionalSecondDigits: 3,
	hourCycle: 'h23',
});

/** One event of the story: what it says in a line, how long after the one before; a click opens it as it was hashed. */
export function StoryEvent({ event, sinceMs }: { readonly event: TrailEvent; readonly sinceMs: number | undefined }) {
	const [isOpen, setOpen] = useState(false);
	const { stream: _stream, sequence, hash, admission, ...body } = event;
	return (
		<li className={classes['event']} data-kind={event.kind}>
			<UnstyledButton className={classes['line']} onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
				<span className={classes['since']} title={exactTime.format(event.timeMs)}>
					{sinceMs === undefined ? exactTime.format(event.timeMs).slice(0, 8) : `+${duration(sinceMs)}`}
				</span>
				<span className={classes['says']}>
					<span className={classes['step']}>
						<b>{titleOf(event)}</b>
						<Word word={wordOf(event)} size="xs" />
					</span>
					{linesOf(event).map((line, place) => (
						<span key={place} className={classes['more']}>
							{line}
						</span>
					))}
				</span>
				<span className={classes['chevron']} aria-hidden="true">
					{isOpen ? '−' : '+'}
				</span>
			</UnstyledButton>
			{isOpen && (
				<div className={classes['raw']}>
					<JsonText value={body} />
					<p className={classes['dim']}>
						Event {sequence} of its stream{admission === '' ? '' : `, admission ${admission}`}, hash {hash.slice(0, 16)}…
					</p>
				</div>
			)}
		</li>
	);
}

const TITLES: Readonly<Record<string, string>> = {
	decision: 'Decided',
	refusal: 'Refused',
	intent: 'Admitted',
	outcome: 'Ended',
	approval: 'Approval',
	activation: 'Policy',
	operator: 'Operator',
	gap: 'Gap in the record',
};

function titleOf({ kind, admission }: TrailEvent): string {
	if (kind === 'intent' && admission !== 'granted' && admission !== '') return 'Not admitted';
	return TITLES[kind] ?? kind;
}

function wordOf({ kind, decision, outcome, admission, detail }: TrailEvent): string {
	if (kind === 'intent' && admission !== 'granted' && admission !== '') return admission;
	return outcome ?? decision ?? (typeof detail?.['attempt'] === 'string' ? detail['attempt'] : kind);
}

/** What else is worth a line without opening it. */
function linesOf({ kind, rule, message, detail = {}, admission, revision }: TrailEvent): ReactNode[] {
	const lines: ReactNode[] = [];
	const { by, via, refused, missing, reservations, durationMs, resultBytes, why } = detail;
	if (kind === 'approval' && typeof by === 'string')
		lines.push(
			<>
				by <Visible text={by} />
				{typeof via === 'string' && ` in the ${via === 'operator' ? 'API' : via}`}
				{typeof missing === 'number' && missing > 0 && `, ${missing} more needed`}
			</>,
		);
	if (typeof refused === 'string') lines.push(<Visible text={`refused: ${refused}`} />);
	if (kind !== 'approval' && kind !== 'outcome' && rule !== undefined)
		lines.push(
			<>
				by the rule <Visible text={rule} />
			</>,
		);
	if (message !== undefined) lines.push(<Visible text={message} />);
	if (isList(reservations)) for (const one of reservations) lines.push(<Visible text={reservationOf(one, admission)} />);
	if (kind === 'outcome' || kind === 'refusal') {
		const shape = [
			...(typeof resultBytes === 'number' ? [`a result of ${resultBytes.toLocaleString()} bytes`] : []),
			...(typeof durationMs === 'number' ? [`${duration(durationMs)} in all`] : []),
		];
		if (shape.length > 0) lines.push(shape.join(', '));
		if (typeof why === 'string') lines.push(<Visible text={why} />);
	}
	if (kind === 'activation' && revision !== undefined) lines.push(<Visible text={`revision ${revision}`} />);
	return lines;
}

const isList = (value: Json | undefined): value is Json[] => Array.isArray(value);

/** `1 of 5 calls of limits.turn`. */
function reservationOf(reservation: Json, admission: string): string {
	if (reservation === null || typeof reservation !== 'object' || Array.isArray(reservation)) return String(reservation);
	const { cost, limit, unit, rule } = reservation;
	return `${admission === 'granted' ? 'reserved' : 'wanted'} ${String(cost)} of ${String(limit)} ${String(unit)} of the budget ${String(rule)}`;
}
