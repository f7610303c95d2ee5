import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { readPublicKeys } from '../audit/checkpoint.ts';
import type { ProofStatus } from '../audit/proof.ts';
import type { VerifyReport } from '../audit/trail.ts';
import { verifyExport } from '../audit/verify-export.ts';
import { CommandFailure } from './command-failure.ts';
import { type CommonOptions, connect, operatorCommand, print } from './operator-command.ts';
import { paint, relativeTime, safe } from './terminal.ts';

export function auditKeyCommand(): Command {
	return operatorCommand('key', 'the public key that checkpoints are verified with').action(async (options: CommonOptions) => {
		const { keyId, publicKey } = await connect(options).get<ProofStatus>('/api/audit/proof');
		print(options, { keyId, publicKey }, () => publicKey.trimEnd());
	});
}

/** @param path of the API, filters and all */
export async function writeExport({ out, ...options }: CommonOptions & { out?: string }, path: string): Promise<void> {
	const bytes = await connect(options).bytes(path);
	try {
		await pipeline(bytes, out === undefined ? process.stdout : createWriteStream(out, { mode: 0o600 }), { end: out !== undefined });
	} catch (cause) {
		const { code, syscall } = cause as NodeJS.ErrnoException;
		// Whoever reads has had enough, as head does.
		if (code === 'EPIPE') return;
		throw new CommandFailure(
			2,
			out !== undefined && syscall !== undefined ? `${out}: can't be written (${code})` : 'the gateway ended the export early',
			{ cause },
		);
	}
}

interface VerifyOptions extends CommonOptions {
	readonly export?: string;
	readonly checkpoints?: readonly string[];
	readonly key?: readonly string[];
}

export function auditVerifyCommand(): Command {
	const several = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];
	return operatorCommand('verify', 'is the trail whole and unchanged: the running gateway’s, or an export with no gateway at hand')
		.option('--export <file>', 'an export of the whole trail, as JSON lines')
		.option('--checkpoints <file>', 'checkpoints of the second place; may be given several times', several)
		.option('--key <file>', 'public keys in PEM, as audit key prints them; may be given several times', several)
		.addHelpText('after', '\nExit codes: 0 intact, 1 not, 2 it could not be verified.')
		.action(async (options: VerifyOptions) => {
			const beganMs = performance.now();
			const report = await verify(options);
			const perSecond = Math.round(report.events / ((performance.now() - beganMs) / 1000));
			print(options, report, () => reportText(report, perSecond));
			if (!report.isIntact) process.exitCode = 1;
		});
}

async function verify({ export: file, checkpoints = [], key = [], ...options }: VerifyOptions): Promise<VerifyReport> {
	const given = {
		keys: key.flatMap((name) => readPublicKeys(textOf(name), name)),
		checkpoints: checkpoints.map((name) => ({ name: basename(name), text: textOf(name) })),
	};
	if (file !== undefined) {
		const source = createReadStream(file, { highWaterMark: 1024 * 1024 });
		return verifyExport(source, given).catch((error: unknown) => {
			const { code } = error as NodeJS.ErrnoException;
			throw code !== undefined && ['ENOENT', 'EACCES', 'EISDIR'].includes(code)
				? new CommandFailure(2, `${file}: can't be read (${code})`)
				: error;
		});
	}
	const gateway = connect(options);
	if (given.keys.length === 0 && given.checkpoints.length === 0) return gateway.get<VerifyReport>('/api/audit/verify');
	// What was kept elsewhere is held against what the gateway has, here and not there.
	const keys =
		given.keys.length > 0 ? given.keys : readPublicKeys((await gateway.get<ProofStatus>('/api/audit/proof')).publicKey, 'the gateway');
	return verifyExport(await gateway.bytes('/api/audit/export'), { ...given, keys });
}

function textOf(file: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (cause) {
		throw new CommandFailure(2, `${file}: can't be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
	}
}

function reportText(
	{ isIntact, events, streams, problem, unsigned, lastCheckpointMs, durability, notes = [] }: VerifyReport,
	perSecond: number,
): string {
	if (!isIntact) return `${paint('red', 'broken')}  ${safe(problem ?? '')}`;
	const signed =
		lastCheckpointMs === undefined
			? 'no signed checkpoint'
			: `last signed checkpoint ${relativeTime(lastCheckpointMs)}, ${unsigned} events after it`;
	return [
		`${paint('green', 'intact')}  ${events} events in ${streams} streams (${perSecond} per second); ${signed}`,
		...(durability === undefined ? [] : [paint('dim', durability)]),
		...notes.map((note) => paint('yellow', note)),
	].join('\n');
}
