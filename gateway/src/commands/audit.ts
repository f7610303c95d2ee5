import { Command } from 'commander';
import { eventLine, traceWords, type RecordedEvent } from '../audit/lines.ts';
import type { JsonObject } from '../domain.ts';
import { auditKeyCommand, auditVerifyCommand, writeExport } from './audit-proof.ts';
import { auditRecheckCommand } from './audit-recheck.ts';
import { CommandFailure } from './command-failure.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { jsonText, paint, paintWord, safe } from './terminal.ts';

const FILTERS = [
	'principal',
	'agent',
	'tool',
	'server',
	'decision',
	'outcome',
	'rule',
	'call',
	'session',
	'turn',
	'kind',
	'since',
	'until',
	'text',
] as const;
type Filters = Partial<Record<(typeof FILTERS)[number], string>>;

function query(filters: Filters, more: Record<string, string | undefined> = {}): string {
	const parameters = new URLSearchParams();
	for (const name of FILTERS) if (filters[name] !== undefined) parameters.set(name, filters[name]);
	for (const [name, value] of Object.entries(more)) if (value !== undefined) parameters.set(name, value);
	return parameters.size === 0 ? '' : `?${parameters}`;
}

function withFilters(command: Command): Command {
	for (const name of FILTERS) command.option(`--${name} <${name === 'since' || name === 'until' ? 'time' : name}>`, `only this ${name}`);
	return command;
}

export function auditCommand(): Command {
	const command = new Command('audit').description('the audit trail');

	command.addCommand(
		withFilters(operatorCommand('tail', 'events as they are written, one line each'))
			.option('-n, --last <count>', 'begin with this many', '10')
			.action(async (options: CommonOptions & Filters & { last: string }) => {
				const stop = new AbortController();
				for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
				for await (const event of connect(options).stream(`/api/audit/tail${query(options, { last: options.last })}`, stop.signal)) {
					console.log(options.json ? jsonText(event) : eventLine(event as unknown as RecordedEvent, { paint: paintWord, safe }));
				}
			}),
	);
	command.addCommand(
		withFilters(operatorCommand('search', 'events, newest first'))
			.option('--limit <count>', 'at most', '50')
			.option('--cursor <cursor>', 'go on from here')
			.action(async (options: CommonOptions & Filters & { limit: string; cursor?: string }) => {
				const page = await connect(options).get<{ events: RecordedEvent[]; next?: string }>(
					`/api/audit${query(options, { limit: options.limit, cursor: options.cursor })}`,
				);
				print(options, page, () =>
					[
						...page.events.map((event) => eventLine(event, { paint: paintWord, safe })),
						...(page.events.length > 0 ? [] : [page.next === undefined ? 'no event fits' : 'no event fits among those looked through']),
						...(page.next === undefined ? [] : [paint('dim', `more: --cursor ${page.next}`)]),
					].join('\n'),
				);
			}),
	);
	command.addCommand(
		operatorCommand('show', "one call's whole story")
			.argument('<call id>')
			.action(async (callId: string, options: CommonOptions) => {
				const { events } = await connect(options).get<{ events: RecordedEvent[] }>(`/api/audit/calls/${encodeURIComponent(callId)}`);
				const first = events[0];
				if (first === undefined) throw new CommandFailure(1, `no call ${callId} in the trail`);
				print(options, events, () =>
					[
						`${safe(first.tool ?? '')} → ${traceWords(events).map(paintWord).join(' → ')}`,
						...events.map((event) => `  ${eventLine(event, { paint: paintWord, safe })}`),
						...(first.input === undefined
							? []
							: [paint('dim', safe(JSON.stringify((first.input as JsonObject)['arguments'] ?? first.input)))]),
					].join('\n'),
				);
			}),
	);
	command.addCommand(
		withFilters(operatorCommand('export', 'the whole trail with what is needed to verify it; with filters, only what fits'))
			.option('--format <format>', 'jsonl or csv', 'jsonl')
			.option('--out <file>', 'by default to standard output')
			.action(async (options: CommonOptions & Filters & { format: string; out?: string }) =>
				writeExport(options, `/api/audit/export${query(options, { format: options.format })}`),
			),
	);
	command.addCommand(auditKeyCommand());
	command.addCommand(auditVerifyCommand());
	command.addCommand(auditRecheckCommand());
	return command;
}
