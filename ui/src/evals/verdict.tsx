import { Alert, Table } from '@mantine/core';
import type { Miss } from '../../../tools/eval-runner/expect.ts';
import type { EvalCase } from '../../../tools/eval-runner/suite.ts';
import type { RunView } from '../../../tools/eval-runner/serve/view.ts';
import { Visible } from '../text/visible.tsx';
import { STATES } from './cases.tsx';
import classes from './evals.module.css';

/** What is expected of a case, one row each, one line for each part of it; once it has run, what was seen where that differs. */
export function Verdict({ expected, run }: { readonly expected: EvalCase; readonly run: RunView | undefined }) {
	const isOver = run !== undefined && (run.state === 'held' || run.state === 'missed');
	return (
		<>
			{run !== undefined && run.state !== 'running' && (
				<Alert
					color={STATES[run.state].color}
					role="status"
					className={classes['verdict']}
					title={`${STATES[run.state].mark} ${STATES[run.state].says}`}
				>
					{run.why ?? (run.said === undefined || run.said === '' ? undefined : <Visible text={`The agent said: ${run.said}`} />)}
				</Alert>
			)}
			<Table className={classes['expected']} verticalSpacing={4} aria-label="Expected and seen">
				<Table.Thead>
					<Table.Tr>
						<Table.Th>expectation</Table.Th>
						<Table.Th>expected</Table.Th>
						<Table.Th>seen</Table.Th>
					</Table.Tr>
				</Table.Thead>
				<Table.Tbody>
					{expectationsOf(expected).map(([what, wanted]) => {
						const missed = seenOf(what, run?.misses ?? []);
						return (
							<Table.Tr key={what}>
								<Table.Th>{what}</Table.Th>
								<Table.Td>
									<Lines texts={wanted} />
								</Table.Td>
								<Table.Td c={missed.length > 0 ? 'red' : isOver ? 'green' : 'dimmed'}>
									{missed.length > 0 ? <Lines texts={missed.map((seen) => `✘ ${seen}`)} /> : isOver ? '✓ the same' : '–'}
								</Table.Td>
							</Table.Tr>
						);
					})}
				</Table.Tbody>
			</Table>
		</>
	);
}

function Lines({ texts }: { readonly texts: readonly string[] }) {
	return texts.map((text, place) => (
		<div key={place}>
			<Visible text={text} />
		</div>
	));
}

/** What was seen instead, each once: `ledger.refunds` is told as `refunds 1`. */
function seenOf(what: string, misses: readonly Miss[]): string[] {
	const texts = misses.flatMap((miss) => {
		if (miss.what === what) return [miss.seen];
		return miss.what.startsWith(`${what}.`) ? [`${miss.what.slice(what.length + 1)} ${miss.seen}`] : [];
	});
	return [...new Set(texts)];
}

function expectationsOf({
	ledger,
	messages,
	results,
	trace,
	mustInclude,
	mustNotInclude,
	policyOutcome,
	mustNotContainInArgs,
	mustSay,
}: EvalCase): [string, readonly string[]][] {
	const calls = trace?.map(({ tool, decision, then, times = 1 }) => {
		const words = then === undefined ? decision : `${decision} … ${then}`;
		return `${times > 1 ? `${times} × ` : ''}${tool} ${words}`;
	});
	const rows: [string, readonly string[] | undefined][] = [
		['ledger', ledger && Object.entries(ledger).map(([name, count]) => `${name} ${count}`)],
		['messages.mustContain', messages?.mustContain],
		['messages.mustNotContain', messages?.mustNotContain],
		['trace', calls?.length === 0 ? ['no calls'] : calls],
		['mustInclude', mustInclude],
		['mustNotInclude', mustNotInclude],
		['policyOutcome', policyOutcome === undefined ? undefined : [policyOutcome]],
		['mustNotContainInArgs', mustNotContainInArgs],
		['results.mustContain', results?.mustContain],
		['results.mustNotContain', results?.mustNotContain],
		['mustSay', mustSay],
	];
	return rows.filter((row): row is [string, readonly string[]] => row[1] !== undefined);
}
