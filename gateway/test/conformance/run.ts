/**
 * `npm run policy:conformance`: runs OPA's own cases and writes `docs/policy-conformance.md`. With `--check` it writes nothing, and
 * ends with 1 where the report would change. Needs Go, and network on the first run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtins } from '../../src/policy/builtins/index.ts';
import { conformanceCases } from './cases.ts';
import { discountEmptyPasses, type Judgement, judge } from './judge.ts';
import { report } from './report.ts';

const reportFile = join(import.meta.dirname, '../../../docs/policy-conformance.md');

const judgements: Judgement[] = [];
for await (const testCase of conformanceCases()) judgements.push(await judge(testCase, { builtins }));
const final = discountEmptyPasses(judgements);
const text = report(final);

for (const { note, reason, passed } of final) {
	if (!passed && !reason.endsWith('is not provided')) process.stdout.write(`${note}: ${reason.slice(0, 300)}\n`);
}
process.stdout.write(`${final.filter((j) => j.passed).length} of ${final.length} pass\n`);

if (!process.argv.includes('--check')) writeFileSync(reportFile, text);
else if (readFileSync(reportFile, 'utf8') !== text) {
	process.stderr.write('docs/policy-conformance.md is not what the cases give: run npm run policy:conformance\n');
	process.exitCode = 1;
}
