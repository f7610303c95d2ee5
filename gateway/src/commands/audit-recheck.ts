import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { RecordedEvent } from '../audit/trail.ts';
import { loadConfig } from '../config.ts';
import { Preparation } from '../policy/prepare.ts';
import { type Recheck, recheck, type Verdict } from '../recheck.ts';
import { CommandFailure } from './command-failure.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, paintWord, safe } from './terminal.ts';

interface RecheckOptions extends CommonOptions {
	readonly bundle?: string;
}

export function auditRecheckCommand(): Command {
	return operatorCommand('recheck', 'decide a recorded decision again, under the bundle that decided it')
		.argument('<decision id>')
		.option('--bundle <file>', 'the bundle of its revision (.tar.gz), where it is not the active one')
		.addHelpText('after', '\nExit codes: 0 the same, 1 it differs or is not reproducible, 2 the bundle is not at hand.')
		.action(async (decisionId: string, options: RecheckOptions) => {
			const answer = await (options.bundle === undefined
				? connect(options).get<Recheck>(`/api/audit/recheck/${encodeURIComponent(decisionId)}`)
				: underBundle(options.bundle, decisionId, options));
			print(options, answer, () => textOf(answer));
			if (answer.kind !== 'same') process.exitCode = answer.kind === 'other bundle' ? 2 : 1;
		});
}

async function underBundle(file: string, decisionId: string, options: RecheckOptions): Promise<Recheck> {
	const { events } = await connect(options).get<{ events: RecordedEvent[] }>(
		`/api/audit?limit=100&decisionId=${encodeURIComponent(decisionId)}`,
	);
	let packed: Buffer;
	try {
		packed = readFileSync(file);
	} catch (cause) {
		throw new CommandFailure(2, `${file}: can't be read (${(cause as NodeJS.ErrnoException).code}); expected a bundle as .tar.gz`, {
			cause,
		});
	}
	const preparation = new Preparation();
	try {
		const prepared = await preparation.prepare({ packed, gate: {}, fuel: loadConfig(options.config).config.policy.fuel });
		const answer = recheck(events.reverse(), prepared?.judge);
		if (answer === undefined) throw new CommandFailure(1, `no decision ${decisionId} in the trail`);
		return answer;
	} finally {
		await preparation.close();
	}
}

function textOf(answer: Recheck): string {
	switch (answer.kind) {
		case 'same':
			return `${paint('green', 'same')}  ${verdictText(answer.recorded)}`;
		case 'differs':
			return `${paint('red', 'differs')}  recorded: ${verdictText(answer.recorded)}; now: ${typeof answer.now === 'string' ? safe(answer.now) : verdictText(answer.now)}`;
		case 'not reproducible':
			return `${paint('yellow', 'not reproducible')}  ${answer.why}${answer.paths.length === 0 ? '' : `: ${answer.paths.map(safe).join(', ')}`}`;
		case 'other bundle':
			return [
				`${paint('yellow', 'the bundle is not at hand')}  it takes revision ${safe(answer.revision)}${answer.atHand === undefined ? '' : `, and this is ${safe(answer.atHand)}`}`,
				paint('dim', 'give it with --bundle'),
			].join('\n');
	}
}

function verdictText({ verdict, rule, budgets }: Verdict): string {
	const taken = budgets.map(({ rule: of, cost, unit, limit }) => `${cost} of ${limit} ${unit} by ${of}`);
	return [paintWord(verdict), ...(rule === undefined ? [] : [`by ${rule}`]), ...(taken.length === 0 ? [] : [`taking ${taken.join(', ')}`])]
		.map((part, n) => (n === 0 ? part : safe(part)))
		.join(' ');
}
