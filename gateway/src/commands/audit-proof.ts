import type { Command } from 'commander';
import type { ProofStatus } from '../audit/proof.ts';
import type { VerifyReport } from '../audit/trail.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime, safe } from './terminal.ts';

export function auditKeyCommand(): Command {
	return operatorCommand('key', 'the public key that checkpoints are verified with').action(async (options: CommonOptions) => {
		const { keyId, publicKey } = await connect(options).get<ProofStatus>('/api/audit/proof');
		print(options, { keyId, publicKey }, () => publicKey.trimEnd());
	});
}

export function auditVerifyCommand(): Command {
	return operatorCommand('verify', 'recompute the chain of every stream').action(async (options: CommonOptions) => {
		const report = await connect(options).get<VerifyReport>('/api/audit/verify');
		print(options, report, () => reportText(report));
		if (!report.isIntact) process.exitCode = 1;
	});
}

function reportText({ isIntact, events, streams, problem, unsigned, lastCheckpointMs, durability, notes = [] }: VerifyReport): string {
	if (!isIntact) return `${paint('red', 'broken')}  ${safe(problem ?? '')}`;
	const signed = lastCheckpointMs === undefined ? 'no signed checkpoint yet' : `last signed checkpoint ${relativeTime(lastCheckpointMs)}, ${unsigned} events after it`;
	return [
		`${paint('green', 'intact')}  ${events} events in ${streams} streams; ${signed}`,
		...(durability === undefined ? [] : [paint('dim', durability)]),
		...notes.map((note) => paint('yellow', note)),
	].join('\n');
}
